"""Alerts: Prometheus reads them, each has its cases, a paragraph in the runbooks and a panel, and names what is exported."""

import json
import re
import subprocess
import unittest

import yaml
from support import (EXPORTED, HERE, MATCHER, OF_PROMETHEUS, REPOSITORY, SELECTOR, base, gateway_metrics, names, panels, queries,
                     recorded, rules, runbooks)

# Metrics of the gateway that nobody needs to see. Each with its reason; none today.
UNSEEN = {}
CASES = sorted((HERE / "alerts/tests").glob("*.yaml"))


def promtool(*arguments):
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True)


def expressions():
    for rule in rules.load():
        yield rule.get("alert") or rule["record"], rule["expr"]
    yield from queries()


class Alerts(unittest.TestCase):
    def test_prometheus_reads_the_rules(self):
        done = promtool("check", "rules", *sorted((HERE / "alerts").glob("*.yaml")))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len(rules.ALERTS), len([rule for rule in rules.load() if "alert" in rule]), "two have one name")

    def test_they_fire_and_are_silent_when_they_should(self):
        done = promtool("test", "rules", *CASES)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_cases_record_before_they_judge(self):
        """promtool takes groups in any order that it is not told."""
        for file in CASES:
            told = yaml.safe_load(file.read_text())
            files = [yaml.safe_load((file.parent / name).read_text()) for name in told["rule_files"]]
            self.assertEqual(told["group_eval_order"], [group["name"] for each in files for group in each["groups"]], file.name)

    def test_each_fires_in_a_case_is_silent_in_one_and_stands_in_one_without_metrics(self):
        fires, silent, absent = set(), set(), set()
        for file in CASES:
            for case in yaml.safe_load(file.read_text())["tests"]:
                for told in case["alert_rule_test"]:
                    name = told["alertname"]
                    has_metrics = any(not each["series"].startswith("up{") for each in case["input_series"])
                    is_about_up = "up" in names(rules.ALERTS[name].rule["expr"])
                    if told["exp_alerts"]:
                        fires.add(name)
                    elif has_metrics or is_about_up:
                        silent.add(name)
                    if not has_metrics:
                        absent.add(name)
        for cases in (fires, silent, absent):
            self.assertEqual(cases, set(rules.ALERTS))

    def test_each_says_what_it_is(self):
        for alert in rules.ALERTS.values():
            with self.subTest(alert.name):
                notes = alert.rule["annotations"]
                self.assertIn(alert.severity, ("page", "ticket"))
                self.assertEqual(notes["runbook_url"], f"dashboards/runbooks.md#{alert.name.lower()}")
                self.assertIn("$value", notes["value"])
                self.assertGreater(len(notes["summary"]), 20)
                # Labels that are summed away are empty in a sentence.
                kept = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", alert.rule["expr"]))))
                kept |= {"cluster"} if "cluster:" in alert.rule["expr"] else set()
                self.assertLessEqual(set(re.findall(r"\$labels\.(\w+)", notes["summary"])), kept)

    def test_each_has_a_paragraph_that_says_what_to_do(self):
        self.assertEqual(set(runbooks.SECTIONS), set(rules.ALERTS) | {runbooks.SYMPTOMS})
        for name in rules.ALERTS:
            for part in ("**Users**: ", "**Look**: ", "**Do**: "):
                self.assertIn(part, runbooks.SECTIONS[name], name)

    def test_each_is_on_a_panel(self):
        shown = {link["title"].removeprefix("Runbook: ") for _, panel in panels() for link in panel["links"]}
        self.assertLessEqual(set(rules.ALERTS), shown)


class Metrics(unittest.TestCase):
    def test_the_tables_are_read_whole(self):
        table = (REPOSITORY / "gateway/src/metrics/table.rs").read_text()
        self.assertEqual(set(gateway_metrics()), set(re.findall(r'"((?:rts|process)_\w+)"', table)))
        self.assertEqual(gateway_metrics()["rts_fanout_delay_seconds"].buckets[8:10], (0.25, 0.5))
        self.assertEqual(gateway_metrics()["rts_connection_duration_seconds"].buckets[-1], 604800)
        tests = (REPOSITORY / "loadtest/src/metrics/mod.rs").read_text()
        named = set(re.findall(r'"(rts_loadtest_\w+?)(?:_bucket|_count)?[ {]', tests))
        self.assertEqual(named - set(EXPORTED), set())
        self.assertGreater(len(named), 6)

    def test_what_is_named_is_exported(self):
        known = OF_PROMETHEUS | recorded()
        for place, query in expressions():
            found = names(query)
            self.assertTrue(found, f"{place}: {query}")
            unknown = {name for name in found if name not in known and base(name) is None}
            self.assertEqual(unknown, set(), f"{place}: {query}")

    def test_what_is_exported_is_seen(self):
        seen = {base(name) for _, query in expressions() for name in names(query)}
        unseen = set(gateway_metrics()) - seen
        self.assertEqual(unseen, set(UNSEEN), "not on a dashboard, in no alert, and not on the list of those that need not be")
        self.assertTrue(all(UNSEEN.values()))

    def test_recorded_series_are_used(self):
        used = {name for _, query in expressions() for name in names(query)}
        self.assertEqual(recorded() - used, set())

    def test_bounds_are_those_of_buckets_to_any_prometheus(self):
        bounds = 0
        for place, query in expressions():
            for name, matchers in SELECTOR.findall(query):
                for label, sign, value in MATCHER.findall(matchers):
                    if label != "le":
                        continue
                    bounds += 1
                    bound = float(value.removesuffix("([.]0)?"))
                    self.assertIn(bound, EXPORTED[base(name)].buckets, f"{place}: {query}")
                    # A whole number is "60" to Prometheus 2 and "60.0" to Prometheus 3.
                    if bound.is_integer():
                        self.assertEqual((sign, value), ("=~", f"{bound:g}([.]0)?"), f"{place}: {query}")
        self.assertGreater(bounds, 10)

    def test_values_of_labels_are_those_of_the_code(self):
        """A value that nobody writes any more makes an alert silent."""
        sources = [path for crate in ("gateway", "loadtest") for path in (REPOSITORY / crate / "src").rglob("*.rs")]
        text = "\n".join(path.read_text() for path in sources)
        # Methods are named by the reference of the API, which is held to the code.
        reference = json.loads((REPOSITORY / "docs/api/schema.json").read_text())
        written = set(re.findall(r'"(\w+)"', text)) | set(reference["methods"])
        checked = 0
        for place, query in expressions():
            for _, matchers in SELECTOR.findall(query):
                for label, _, value in MATCHER.findall(matchers):
                    if label in ("cluster", "node", "le", "job"):
                        continue
                    for each in value.split("|"):
                        checked += 1
                        self.assertIn(each, written, f"{place}: {label} in {query}")
        self.assertGreater(checked, 40)


if __name__ == "__main__":
    unittest.main()
