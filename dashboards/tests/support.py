"""What the tests read: dashboards, alerts, and the metrics that the gateways and the load test export."""

import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parents[1]
REPOSITORY = HERE.parent
sys.path.insert(0, str(HERE / "source"))
sys.dont_write_bytecode = True

import rules  # noqa: E402
import runbooks  # noqa: E402, F401

# What Prometheus itself knows of each target.
OF_PROMETHEUS = {"up", "scrape_duration_seconds"}
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$cluster": ".*", "$node": ".*"}
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric that is exported."""

    kind: str
    buckets: tuple = ()


def _numbers(text):
    return tuple(float(number) for number in re.findall(r"\d[\d_]*(?:\.\d+)?", text.replace("_", "")))


def _arrays(source):
    arrays = re.findall(r"const (\w+): \[f64; \d+\]\s*=\s*\[([^\]]*)\]", source)
    return {name: _numbers(values) for name, values in arrays}


def gateway_metrics():
    """Returns the rows of the gateway's table."""
    source = (REPOSITORY / "gateway/src/metrics/table.rs").read_text()
    arrays = _arrays(source)
    rows = re.findall(r'Metric::(counter|gauge|histogram)\(\s*"(\w+)"(.*?);\n', source, re.DOTALL)
    return {name: Metric(kind, arrays[re.search(r"&(\w+)", rest)[1]] if kind == "histogram" else ()) for kind, name, rest in rows}


def loadtest_metrics():
    """Returns what the load test exports."""
    source = (REPOSITORY / "loadtest/src/metrics/mod.rs").read_text()
    stats = (REPOSITORY / "loadtest/src/engine/stats.rs").read_text()
    names = re.search(r"impl Count \{.*?fn name\(.*?\n    \}\n", stats, re.DOTALL)[0]
    metrics = {f"{count}_total": Metric("counter") for count in re.findall(r'=> "(\w+)"', names)}
    metrics |= {name: Metric("gauge") for name in re.findall(r'\("(\w+)", "[^"]*", shown', source)}
    for name, kind in re.findall(r'head\(text, "(\w+)", "(\w+)"', source):
        metrics[name] = Metric(kind, _arrays(source)["BUCKETS"] if kind == "histogram" else ())
    return {f"rts_loadtest_{name}": metric for name, metric in metrics.items()}


def probe_metrics():
    """Returns what the probe exports."""
    source = (REPOSITORY / "loadtest/src/probe/figures.rs").read_text()
    shared = (REPOSITORY / "loadtest/src/metrics/mod.rs").read_text()
    metrics = {f"{name}_total": Metric("counter") for name in re.findall(r'Self::\w+, "(\w+)"', source)}
    metrics |= {name: Metric("gauge") for name in ("connected", "last_success_timestamp_seconds") if f'"{name}"' in source}
    metrics["latency_seconds"] = Metric("histogram", _arrays(shared)["BUCKETS"])
    return {f"rts_probe_{name}": metric for name, metric in metrics.items()}


def recorded():
    """Returns the names of the recording rules."""
    return {rule["record"] for rule in rules.load() if "record" in rule}


EXPORTED = {**gateway_metrics(), **loadtest_metrics(), **probe_metrics()}


def base(name):
    """Returns the metric that a series belongs to, as `x` for `x_bucket`; `None` if nobody exports it."""
    if name in EXPORTED:
        return name
    whole = re.sub(r"_(bucket|sum|count)$", "", name)
    return whole if EXPORTED.get(whole, Metric("")).kind == "histogram" else None


def names(query):
    """Returns the names of series in a query: what is neither a function, nor a label, nor text."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', " ", query)
    bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"(?<![\w.$:])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])", bare)
    return {word for word in words if word not in {"and", "or", "unless", "by", "on", "bool"}}


def dashboards():
    """Returns each dashboard by its file's name."""
    return {path.name: json.loads(path.read_text()) for path in sorted(HERE.glob("*.json"))}


def panels(kinds=None):
    """Yields the place and the panel of each that asks something."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            if panel["type"] not in (kinds or {"row", "text"}) or kinds and panel["type"] in kinds:
                yield f"{name}: {panel['title']}", panel


def queries():
    """Yields the place and the text of each query of a panel."""
    for place, panel in panels():
        for target in panel["targets"]:
            yield place, target["expr"]


def filled(query):
    """Puts in what Grafana would for its variables."""
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    return query


def check_rules(groups):
    """Has promtool read rules; returns what it says against them."""
    import yaml

    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "rules.yaml")
        file.write_text(yaml.safe_dump({"groups": groups}))
        done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr
