"""Panels, rows and dashboards in Grafana's classic JSON. A panel that names alerts gets their thresholds and links to their
runbook paragraphs; one that names none links to the page that begins with a symptom."""

import dataclasses

import rules
import runbooks

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Of the gateways and of the load test; `allValue` is `.*`, so that what has no such label is shown, too.
NODE = 'cluster=~"$cluster", node=~"$node"'
CLUSTER = 'cluster=~"$cluster"'
COLORS = {"page": "red", "ticket": "orange"}
WIDTH = 24


@dataclasses.dataclass
class Panel:
    """One panel: what it asks, each with its legend, and the alerts that watch the same number."""

    title: str
    description: str
    unit: str
    queries: list
    alerts: tuple = ()
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    is_stacked: bool = False
    decimals: int | None = None
    maximum: float | None = None
    text_mode: str = "auto"


def stat(title, description, unit, query, **more):
    """One number, in a sixth of the width."""
    legend = more.pop("legend", "")
    return Panel(title, description, unit, [(query, legend)], kind="stat", **{"width": 4, "height": 4, **more})


def rate(metric, *matchers, by=""):
    """The rate a second of a counter, summed up, or by labels."""
    return summed(f"rate({metric}{{{', '.join((NODE, *matchers))}}}[$__rate_interval])", by)


def summed(query, by=""):
    """A sum over everything, or by labels."""
    return f"sum by ({by}) ({query})" if by else f"sum({query})"


def share_above(metric, bound, *matchers, selector=NODE):
    """The part of a histogram's observations above a bound of its buckets, of each cluster; with its legend."""
    series = ", ".join((selector, *matchers))
    within = f"sum by (cluster) (rate({metric}_bucket{{{series}, {bound}}}[$__rate_interval]))"
    return [(f"1 - {within} / sum by (cluster) (rate({metric}_count{{{series}}}[$__rate_interval]))", "{{cluster}}")]


def windows(ratio, *lengths):
    """A recorded ratio over several windows; each with its legend."""
    return [(f"{ratio}{length}{{{CLUSTER}}}", f"{{{{cluster}}}} {length}") for length in lengths]


def quantile(q, metric, *matchers, by="", selector=NODE):
    """A quantile of a histogram, over all nodes, or by further labels."""
    labels = f"le, {by}" if by else "le"
    inner = f"{metric}_bucket{{{', '.join((selector, *matchers))}}}"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({inner}[$__rate_interval])))"


def quantiles(metric, *matchers, selector=NODE, qs=(0.5, 0.99)):
    """Several, each with its legend."""
    return [(quantile(q, metric, *matchers, selector=selector), f"p{q * 100:g}") for q in qs]


def dashboard(uid, title, description, rows, others, refresh="10s", since="30m"):
    """A dashboard of rows: each a title and its panels, which flow from left to right."""
    return {
        "uid": uid,
        "title": f"RTS: {title}",
        "description": description,
        "tags": ["rts"],
        "schemaVersion": 42,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": refresh,
        "time": {"from": f"now-{since}", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [_link_to(other_uid, name) for other_uid, name in others if other_uid != uid],
        "templating": {"list": _variables()},
        "panels": list(_placed(rows)),
    }


def _link_to(uid, title):
    return {
        "title": title, "type": "link", "url": f"/d/{uid}", "icon": "dashboard", "keepTime": True,
        "includeVars": True, "targetBlank": False, "asDropdown": False, "tags": [], "tooltip": "",
    }


def _variables():
    source = {
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
        "hide": 0, "multi": False, "includeAll": False, "options": [], "current": {},
    }
    queries = {
        "cluster": "label_values(rts_build_info, cluster)",
        "node": f"label_values(rts_build_info{{{CLUSTER}}}, node)",
    }
    return [source, *(_query_variable(name, query) for name, query in queries.items())]


def _query_variable(name, query):
    return {
        "name": name, "label": name.capitalize(), "type": "query", "datasource": SOURCE, "query": query,
        "definition": query, "refresh": 2, "sort": 1, "hide": 0, "multi": True, "includeAll": True, "allValue": ".*",
        "options": [], "current": {"text": "All", "value": "$__all"},
    }


def _placed(rows):
    """Gives each its id and its place."""
    number, y = 0, 0
    for title, panels in rows:
        number += 1
        yield {"type": "row", "title": title, "collapsed": False, "panels": [], "id": number,
               "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y}}
        y += 1
        x = height = 0
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            number += 1
            place = {"h": panel.height, "w": panel.width, "x": x, "y": y}
            yield {**_panel(panel), "id": number, "gridPos": place}
            x, height = x + panel.width, max(height, panel.height)
        y += height


def _panel(panel):
    alerts = [rules.ALERTS[name] for name in panel.alerts]
    defaults = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": _steps(alerts)}}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.maximum is not None:
        defaults["max"] = panel.maximum
    options, field = _LOOKS[panel.kind](panel, alerts)
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "links": [runbooks.link(alert.name) for alert in alerts] or [runbooks.link(None)],
        "fieldConfig": {"defaults": {**defaults, **field}, "overrides": []},
        "options": options,
        "targets": [_target(panel, index, query, legend) for index, (query, legend) in enumerate(panel.queries)],
    }


def _steps(alerts):
    """From fine to bad: upwards, or downwards where an alert is about too little."""
    if any(alert.is_below for alert in alerts):
        (alert,) = alerts
        return [{"color": COLORS[alert.severity], "value": None}, {"color": "green", "value": alert.threshold}]
    steps = sorted((alert.threshold, COLORS[alert.severity]) for alert in alerts)
    base = {"color": "green" if alerts else "blue", "value": None}
    return [base, *({"color": color, "value": value} for value, color in steps)]


def _target(panel, index, query, legend):
    target = {"datasource": SOURCE, "expr": query, "legendFormat": legend, "refId": chr(ord("A") + index)}
    if panel.kind == "heatmap":
        target["format"] = "heatmap"
    return {**target, "range": True}


def _timeseries(panel, alerts):
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 20 if panel.is_stacked else 8, "showPoints": "never",
              "spanNulls": False, "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
              "thresholdsStyle": {"mode": "dashed" if alerts else "off"}}
    legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["mean", "max", "lastNotNull"]}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}, {"min": 0, "custom": custom}


def _stat(panel, _alerts):
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    graph = "none" if panel.text_mode == "name" else "area"
    return {"colorMode": "value", "graphMode": graph, "reduceOptions": reduce, "textMode": panel.text_mode}, {}


def _heatmap(panel, _alerts):
    color = {"mode": "scheme", "scheme": "Oranges", "steps": 64}
    return {"calculate": False, "yAxis": {"unit": panel.unit}, "cellGap": 1, "color": color, "legend": {"show": True},
            "tooltip": {"show": True, "yHistogram": False}}, {}


_LOOKS = {"timeseries": _timeseries, "stat": _stat, "heatmap": _heatmap}
