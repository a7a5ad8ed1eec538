"""Nodes side by side: which one is apart from the others."""

from grafana import CLUSTER, NODE, Panel, quantile, rate, share_above

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
        Panel("Age of the tokens' keys", "Time since each node fetched the key set; after an hour it lets nobody in. Below zero if it never did; "
              "zero without a key set.", "s",
              [(f"max by (node) (rts_token_keys_age_seconds{{{NODE}}}) or on () vector(0)", "{{node}}")], width=24),
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
    ("Runtime", [
        Panel("Stalls of the runtime", "Part of the wake-ups of a task that were more than 250 ms late.", "percentunit",
              share_above("rts_runtime_lag_seconds", 'le="0.25"'), ("RuntimeStalled",)),
        Panel("Lateness of a task, p99", "How late a task runs that sleeps for 100 ms, by node.", "s",
              [(quantile(0.99, "rts_runtime_lag_seconds", by="node"), "{{node}}")]),
        Panel("CPU", "Cores that the process keeps busy, by node.", "short",
              [(rate("process_cpu_seconds_total", by="node"), "{{node}}")], width=8),
        Panel("Busy threads", "Part of the time in which the runtime's threads run tasks, by node.", "percentunit",
              [(f'{rate("rts_runtime_busy_seconds_total", by="node")} / sum by (node) (rts_runtime_workers{{{NODE}}})', "{{node}}")],
              width=8),
        Panel("Tasks", "Tasks that are not over, and those that wait for a thread.", "short",
              [(f"sum by (node) (rts_runtime_tasks{{{NODE}}})", "{{node}}"),
               (f"sum by (node) (rts_runtime_queue_depth{{{NODE}}})", "{{node}}, waiting")], width=8),
        Panel("Memory", "Resident memory of the process, by node.", "bytes",
              [(f"sum by (node) (process_resident_memory_bytes{{{NODE}}})", "{{node}}")], width=8),
        Panel("Open files", "Part of the allowed open files that are open, in the fullest node. Each connection takes one.",
              "percentunit",
              [(f"max by (node) (process_open_fds{{{NODE}}} / process_max_fds{{{NODE}}})", "{{node}}")],
              ("OpenFilesMany",), width=8),
        Panel("Bytes of clients", "Bytes of records received from clients and sent to them, by transport.", "Bps",
              [(rate("rts_received_bytes_total", by="transport"), "received, {{transport}}"),
               (rate("rts_sent_bytes_total", by="transport"), "sent, {{transport}}")], width=8),
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
