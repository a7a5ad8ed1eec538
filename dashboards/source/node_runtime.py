"""Nodes side by side: which one is apart from the others."""

from grafana import CLUSTER, NODE, Panel, quantile, rate

UID, TITLE, FILE = "rts-nodes", "Node and runtime", "node-runtime.json"
DESCRIPTION = "Nodes side by side: what runs, what each carries, and which one is apart from the others."

_UP = f'up{{job="rts-gateway", {NODE}}}'
_FILES = "rts_storage_call_duration_seconds"
_FINE = 'outcome!~"unavailable|internal"'
_FAULTS = 'outcome=~"unavailable|fault"'

ROWS = [
    ("What runs", [
        Panel("Scraped", "Whether Prometheus reaches each node: 1, or 0.", "short",
              [(f"min by (node) ({_UP})", "{{node}}")], ("NodeDown",), width=8, maximum=1),
        Panel("No node reached", "1 if Prometheus reaches no node at all, or is told of none; else 0.", "short",
              [('absent(up{job="rts-gateway"} == 1) or on () vector(0)', "no node")], ("NoNodes",), width=8, maximum=1),
        Panel("Versions", "How many nodes run which version.", "short",
              [(f"count by (version) (rts_build_info{{{NODE}}})", "{{version}}")], width=8, is_stacked=True),
        Panel("Versions at once", "More than one is a deployment, or one that was not finished.", "short",
              [(f"count by (cluster) (count by (cluster, version) (rts_build_info{{{CLUSTER}}}))", "{{cluster}}")],
              ("VersionsMixed",)),
        Panel("Time of a scrape", "A node that takes long to answer is a node that is late everywhere.", "s",
              [(f'max by (node) (scrape_duration_seconds{{job="rts-gateway", {NODE}}})', "{{node}}")]),
    ]),
    ("What each carries", [
        Panel("Connections", "Open connections of each node.", "short",
              [(f"sum by (node) (rts_connections{{{NODE}}})", "{{node}}")]),
        Panel("Calls", "Calls of hub methods, by node.", "ops", [(rate("rts_hub_calls_total", by="node"), "{{node}}")]),
        Panel("Messages accepted", "New messages that are durable, by node.", "mps",
              [(rate("rts_messages_accepted_total", by="node"), "{{node}}")]),
        Panel("Call duration, p99", "From a call to its answer, by node.", "s",
              [(quantile(0.99, "rts_hub_call_duration_seconds", by="node"), "{{node}}")]),
        Panel("Delivery delay, p99", "From the publication of an event to the outboxes of each node.", "s",
              [(quantile(0.99, "rts_fanout_delay_seconds", by="node"), "{{node}}")]),
        Panel("Failed calls", "Part of the calls that a fault of ours failed, by node.", "percentunit",
              [(f'1 - {rate("rts_hub_calls_total", _FINE, by="node")} / {rate("rts_hub_calls_total", by="node")}', "{{node}}")]),
    ]),
    ("Presence", [
        Panel("People online", "Users with a connection to the node.", "short",
              [(f"sum by (node) (rts_presence_online{{{NODE}}})", "{{node}}")], width=8, is_stacked=True),
        Panel("People watched", "Users whose presence is watched on the node.", "short",
              [(f"sum by (node) (rts_presence_watched{{{NODE}}})", "{{node}}")], width=8, is_stacked=True),
        Panel("Presence ended for dead nodes", "People of nodes that went without saying so, in ten minutes.", "short",
              [(f"sum by (cluster) (increase(rts_presence_buried_total{{{NODE}}}[10m]))", "{{cluster}}")],
              ("PresenceReaped",), width=8),
    ]),
    ("Files", [
        Panel("Failed calls to the storage of files", "Part of the calls that failed. Zero when there is none.", "percentunit",
              [(f'({rate(_FILES + "_count", _FAULTS)} / {rate(_FILES + "_count")}) or on () vector(0)', "failed")],
              ("FilesFail",), width=8),
        Panel("Calls to the storage of files", "By outcome. Zero when there is none.", "ops",
              [(rate(_FILES + "_count", by="outcome") + " or on () vector(0)", "{{outcome}}")], width=8),
        Panel("Storage call, p99", "By call. Zero when there is none.", "s",
              [(quantile(0.99, _FILES, by="call") + " or on () vector(0)", "{{call}}")], width=8),
    ]),
]
