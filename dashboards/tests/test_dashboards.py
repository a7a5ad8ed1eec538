"""Dashboards: what Grafana's dashboard-linter asks for (less what `.lint` excludes), and what a reader relies on."""

import re
import subprocess
import unittest

import yaml
from support import EXPORTED, HERE, base, check_rules, dashboards, filled, names, panels, queries, rules, runbooks

DASHBOARDS = {"cluster-overview.json", "fan-out-redis.json", "persistence-pipeline.json", "node-runtime.json", "load-test.json",
              "runbooks.json"}
# Of Grafana's list: the ones that are needed here.
UNITS = {"short", "s", "ops", "mps", "percentunit", "bytes", "Bps", "cps"}


class Dashboards(unittest.TestCase):
    def test_the_files_are_what_the_script_writes(self):
        done = subprocess.run([HERE / "build", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(dashboards()), DASHBOARDS)

    def test_each_is_a_classic_dashboard_of_the_newest_schema(self):
        uids = set()
        for name, dashboard in dashboards().items():
            with self.subTest(name):
                self.assertEqual(dashboard["schemaVersion"], 42)
                self.assertIs(dashboard["editable"], False)
                self.assertIsInstance(dashboard["refresh"], str)
                # What Grafana's editor adds belongs to one installation.
                self.assertFalse({"id", "iteration", "gnetId", "__inputs"} & dashboard.keys())
                self.assertTrue(dashboard["title"].startswith("RTS: ") and dashboard["description"])
                uids.add(dashboard["uid"])
        self.assertEqual(len(uids), len(DASHBOARDS))
        linked = {link["url"].removeprefix("/d/") for each in dashboards().values() for link in each["links"]}
        self.assertEqual(linked, uids)

    def test_variables_are_data_source_cluster_and_node(self):
        for name, dashboard in dashboards().items():
            with self.subTest(name):
                source, cluster, node = dashboard["templating"]["list"]
                self.assertEqual((source["name"], source["type"], source["label"]), ("datasource", "datasource", "Data source"))
                for variable, wanted in ((cluster, "cluster"), (node, "node")):
                    self.assertEqual(variable["name"], wanted)
                    # It has to be asked again when the range of time changes, and to take what lacks the label.
                    self.assertEqual((variable["refresh"], variable["allValue"]), (2, ".*"))
                    self.assertTrue(variable["multi"] and variable["includeAll"])
                    metric, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()
                    self.assertEqual(label, wanted)
                    self.assertEqual(check_rules([group("x", [filled(metric)])]), "")

    def test_panels_lie_side_by_side_and_have_names(self):
        for name, dashboard in dashboards().items():
            taken, ids, titles = set(), set(), set()
            for panel in dashboard["panels"]:
                with self.subTest(f"{name}: {panel['title']}"):
                    place = panel["gridPos"]
                    self.assertLessEqual(place["x"] + place["w"], 24)
                    cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                             for y in range(place["y"], place["y"] + place["h"])}
                    self.assertFalse(cells & taken, "it lies over another one")
                    taken |= cells
                    self.assertNotIn(panel["id"], ids)
                    ids.add(panel["id"])
                    titles_of_kind = (panel["type"] == "row", panel["title"])
                    if panel["type"] != "stat":
                        self.assertNotIn(titles_of_kind, titles, "runbooks name panels by their titles")
                        titles.add(titles_of_kind)

    def test_panels_say_what_they_show(self):
        for place, panel in panels():
            with self.subTest(place):
                self.assertTrue(panel["title"] and panel["description"].endswith("."))
                self.assertIn(panel["fieldConfig"]["defaults"]["unit"], UNITS)
                self.assertTrue(panel["targets"])
                references = [target["refId"] for target in panel["targets"]]
                self.assertEqual(len(set(references)), len(references))
                for source in [panel, *panel["targets"]]:
                    self.assertEqual(source["datasource"], {"type": "prometheus", "uid": "${datasource}"})
                self.assertFalse(any(target.get("exemplar") for target in panel["targets"]))

    def test_every_panel_opens_its_paragraph(self):
        pages = {panel["id"]: panel["title"] for panel in dashboards()["runbooks.json"]["panels"]}
        self.assertEqual(set(pages.values()), set(runbooks.SECTIONS))
        for place, panel in panels():
            with self.subTest(place):
                self.assertTrue(panel["links"])
                for link in panel["links"]:
                    number = re.fullmatch(r"/d/rts-runbooks\?viewPanel=(\d+)", link["url"])[1]
                    self.assertEqual(link["title"].removeprefix("Runbook: "), pages[int(number)])

    def test_thresholds_are_those_of_the_alerts(self):
        with_alerts = 0
        for place, panel in panels():
            with self.subTest(place):
                linked = [link["title"].removeprefix("Runbook: ") for link in panel["links"]]
                alerts = [rules.ALERTS[name] for name in linked if name in rules.ALERTS]
                steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
                self.assertIsNone(steps[0]["value"])
                self.assertEqual(sorted(step["value"] for step in steps[1:]), sorted(alert.threshold for alert in alerts))
                for alert in alerts:
                    with_alerts += 1
                    color = {"page": "red", "ticket": "orange"}[alert.severity]
                    bad = steps[0] if alert.is_below else next(step for step in steps[1:] if step["value"] == alert.threshold)
                    self.assertEqual(bad["color"], color)
                    # The panel asks for the alert's own metrics.
                    asked = {base(name) or name for target in panel["targets"] for name in names(target["expr"])}
                    watched = {base(name) or name for name in names(alert.rule["expr"])}
                    self.assertTrue(asked & watched)
        self.assertGreaterEqual(with_alerts, len(rules.ALERTS))

    def test_runbooks_name_panels_that_exist(self):
        titles = {panel["title"] for _, panel in panels()} | {"Status → Targets"}
        text = runbooks.FILE.read_text()
        named = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", text))
        self.assertGreater(len(named), 30)
        self.assertEqual(named - titles, set())
        # Where a sentence names a dashboard, its panels are there.
        where = {each["title"].removeprefix("RTS: "): {panel["title"] for panel in each["panels"]} for each in dashboards().values()}
        token = re.compile(rf"({'|'.join(map(re.escape, where))})[:,] |(?<!\*)\*([A-Z][^*]+)\*(?!\*)")
        for sentence in re.split(r"\||[.;?] |\n", text):
            here = None
            for dashboard, title in token.findall(sentence):
                here = dashboard or here
                if title and here:
                    self.assertIn(title, where[here], f"{here}: {sentence}")
        anchors = {title.lower() for title in runbooks.SECTIONS}
        self.assertEqual(set(re.findall(r"\]\(#(\w+)\)", text)) - anchors, set())


class Queries(unittest.TestCase):
    def test_prometheus_reads_them(self):
        texts = [filled(query) for _, query in queries()]
        self.assertGreater(len(texts), 100)
        self.assertFalse([text for text in texts if "$" in text], "a variable that is not known here")
        self.assertEqual(check_rules([group("queries", texts)]), "")

    def test_they_can_be_narrowed_to_a_cluster(self):
        for place, query in queries():
            if "absent(" not in query:
                self.assertEqual(query.count('cluster=~"$cluster"'), len(re.findall(r"\{[^}]*\}", query)), f"{place}: {query}")

    def test_rates_go_over_the_interval_that_grafana_computes(self):
        for place, query in queries():
            for window in re.findall(r"\bi?rate\([^\[]*\[([^\]]+)\]", re.sub(r"\{[^}]*\}", "", query)):
                self.assertEqual(window, "$__rate_interval", f"{place}: {query}")
            self.assertNotIn("$__interval", query, place)

    def test_counters_are_seen_as_rates(self):
        for place, query in queries():
            for name in names(query):
                if base(name) and (EXPORTED[base(name)].kind == "counter" or name != base(name)):
                    uses = re.findall(rf"(\w+)\({re.escape(name)}\b", query)
                    self.assertEqual(len(uses), query.count(name + "{"), f"{place}: {query}")
                    self.assertLessEqual(set(uses), {"rate", "irate", "increase"}, f"{place}: {query}")

    def test_quantiles_keep_the_bounds(self):
        for place, query in queries():
            for inner in re.findall(r"histogram_quantile\(([^{]*)", query):
                self.assertRegex(inner, r"^0?\.\d+, sum by \(le\b", f"{place}: {query}")


class Provisioning(unittest.TestCase):
    def test_files_are_what_grafana_reads(self):
        (source,) = yaml.safe_load((HERE / "provisioning/datasources/rts.yaml").read_text())["datasources"]
        self.assertEqual((source["type"], source["access"], source["uid"]), ("prometheus", "proxy", "rts-prometheus"))
        self.assertIn("timeInterval", source["jsonData"])
        (provider,) = yaml.safe_load((HERE / "provisioning/dashboards/rts.yaml").read_text())["providers"]
        self.assertEqual(provider["type"], "file")
        self.assertFalse(provider["allowUiUpdates"])

    def test_exclusions_of_the_linter_have_reasons(self):
        for rule, why in yaml.safe_load((HERE / ".lint").read_text())["exclusions"].items():
            self.assertTrue(why["reason"], rule)


def group(name, texts):
    return {"name": name, "rules": [{"record": f"test:query:{number}", "expr": text} for number, text in enumerate(texts)]}


if __name__ == "__main__":
    unittest.main()
