"""The first look: the four that matter first, then what users meet."""

from grafana import CLUSTER, NODE, Panel, quantile, quantiles, rate, share_above, stat, windows

UID, TITLE, FILE = "rts-cluster", "Cluster overview", "cluster-overview.json"
DESCRIPTION = "Connections, queue latency, delivery latency and errors of a cluster, then what users meet."

_FAILED = 'outcome=~"unavailable|internal"'

ROWS = [
    ("Now", [
        stat("Connections", "Open connections, after their handshake.", "short",
             f"sum(rts_connections{{{NODE}}})", width=6),
        stat("Queue wait, p99", "From SQS's acceptance of a message until a function has it.", "s",
             quantile(0.99, "rts_queue_wait_seconds"), width=6),
        stat("Delivery delay, p99", "From the publication of an event to the outboxes. Promised: 99.9 % within 250 ms.", "s",
             quantile(0.99, "rts_fanout_delay_seconds"), width=6),
        stat("Calls that fail", "Part of the calls that a fault of ours failed, over five minutes.", "percentunit",
             f"max(cluster:rts_calls_failed:ratio_rate5m{{{CLUSTER}}})", alerts=("CallsFailFast",), width=6),
        stat("Messages accepted", "New messages that are durable, a second.", "mps",
             rate("rts_messages_accepted_total"), decimals=1, width=6),
        stat("Deliveries", "Events put into the outboxes of connections, a second.", "ops",
             rate("rts_deliveries_total"), decimals=1, width=6),
        stat("Nodes reached", "Nodes that Prometheus reaches. None is an alert.", "short",
             f'sum(up{{job="rts-gateway", {NODE}}})', width=6),
        stat("Oldest unstored", "Age of the oldest change that is visible and not stored yet.", "s",
             f"max(rts_unstored_oldest_age_seconds{{{NODE}}})", alerts=("UnstoredOld", "UnstoredStuck"), width=6),
    ]),
    ("Promises: 99.9 % of deliveries within 250 ms, 99.9 % of calls succeed", [
        Panel("Late deliveries",
              "Part of the deliveries later than 250 ms, over the windows of the alerts. The lines are 14.4 times, "
              "6 times and once the budget.", "percentunit",
              windows("cluster:rts_delivery_slow:ratio_rate", "5m", "30m", "1h", "6h", "3d"),
              ("DeliverySlowFast", "DeliverySlowSteady", "DeliverySlowBudget")),
        Panel("Failed calls",
              "Part of the calls that a fault of ours failed, over the windows of the alerts. The lines are 14.4 times, "
              "6 times and once the budget.", "percentunit",
              windows("cluster:rts_calls_failed:ratio_rate", "5m", "30m", "1h", "6h", "3d"),
              ("CallsFailFast", "CallsFailSteady", "CallsFailBudget")),
        Panel("Messages that nobody has",
              "Messages and changes of rooms that are in no store any more, found within an hour. There has to be none.",
              "short", [(f'sum(increase(rts_reconciled_total{{{NODE}, outcome="lost"}}[1h]))', "lost")],
              ("MessageLost",), width=8),
        Panel("Slow calls", "Part of the calls longer than half a second; searches and streams take their time.", "percentunit",
              share_above("rts_hub_call_duration_seconds", 'le="0.5"', 'method!~"SearchMessages|StreamHistory"'),
              ("CallsSlow",), width=8),
        Panel("Refused by a limit", "Requests that a rate or number limit refused.", "ops",
              [(rate("rts_rate_limited_total", by="limit"), "{{limit}}")], ("RateLimited",), width=8),
        Panel("Tokens refused", "Requests answered with 401, by what was wrong with the token; the log of the nodes has a line, too.",
              "ops", [(rate("rts_tokens_refused_total", by="reason"), "{{reason}}")], width=8),
    ]),
    ("Connections", [
        Panel("Connections by node", "Open connections of each node.", "short",
              [(f"sum by (node) (rts_connections{{{NODE}}})", "{{node}}")], is_stacked=True),
        Panel("Connections by transport and protocol", "Open connections by what carries them and what they speak.", "short",
              [(f"sum by (transport, protocol) (rts_connections{{{NODE}}})", "{{transport}} {{protocol}}")], is_stacked=True),
        Panel("Clients that came back",
              "Clients that resumed, a second, as a part of all connections, over five minutes; "
              "an alert at three times the hour's mean.", "percentunit",
              [*windows("cluster:rts_reconnects:ratio_rate", "5m"),
               (f"avg_over_time(cluster:rts_reconnects:ratio_rate5m{{{CLUSTER}}}[1h])", "{{cluster}}, mean of an hour")],
              ("ReconnectStorm",), width=8),
        Panel("Sessions ended", "Sessions that ended, by reason.", "ops",
              [(rate("rts_sessions_closed_total", by="reason"), "{{reason}}")], width=8),
        Panel("Sessions ended by faults", "Sessions that nodes ended for reasons of their own.", "ops",
              [(rate("rts_sessions_closed_total", 'reason=~"internal|overload|resync"'), "ended")],
              ("SessionsEndedByFaults",), width=8),
        Panel("Truncated resumes",
              "Part of the rooms whose resume was truncated: their clients read history instead.", "percentunit",
              [(rate("rts_resume_total", 'outcome="truncated"') + " / " + rate("rts_resume_total"), "truncated")],
              ("ResumesTruncated",), width=8),
        Panel("Resumes", "Rooms of clients that came back: whole, or told to look into the history; and sessions that "
              "continued on a new socket, or did not.", "ops",
              [(rate("rts_resume_total", by="outcome"), "{{outcome}}"),
               (rate("rts_rejoins_total", by="outcome"), "session {{outcome}}")], width=8),
        Panel("Life of connections", "How long the connections lived that ended.", "s",
              quantiles("rts_connection_duration_seconds", qs=(0.1, 0.5)), width=8),
    ]),
    ("Calls and messages", [
        Panel("Accepted and delivered", "Messages that are durable, and events put into outboxes.", "ops",
              [(rate("rts_messages_accepted_total"), "accepted"), (rate("rts_deliveries_total"), "delivered")]),
        Panel("Delivery delay", "From the publication of an event to this cluster's outboxes.", "s",
              quantiles("rts_fanout_delay_seconds", qs=(0.5, 0.99, 0.999))),
        Panel("Calls by method", "Calls of hub methods.", "ops",
              [(rate("rts_hub_calls_total", by="method"), "{{method}}")], width=8),
        Panel("Call duration, p99", "From a call to its answer.", "s",
              [(quantile(0.99, "rts_hub_call_duration_seconds", by="method"), "{{method}}")], width=8),
        Panel("Calls that failed", "Calls that a fault of ours failed, by method and code. Zero when there is none.", "ops",
              [(rate("rts_hub_calls_total", _FAILED, by="method, outcome") + " or on () vector(0)",
                "{{method}} {{outcome}}")], width=8),
        Panel("Calls that were refused",
              "Calls answered with what the client did wrong, by code. Zero when there is none.", "ops",
              [(rate("rts_hub_calls_total", 'outcome!~"ok|unavailable|internal"', by="outcome") + " or on () vector(0)",
                "{{outcome}}")]),
    ]),
]
