"""From a publication to the outboxes, and Redis as the nodes see it."""

from grafana import NODE, Panel, quantile, quantiles, rate, share_above

UID, TITLE, FILE = "rts-fan-out", "Fan-out and Redis", "fan-out-redis.json"
DESCRIPTION = "From the publication of an event to the outboxes of each node, and Redis as the nodes see it."

ROWS = [
    ("Fan-out", [
        Panel("Delivery delay", "From the publication of an event to the outboxes of all nodes.", "s",
              quantiles("rts_fanout_delay_seconds", qs=(0.5, 0.99, 0.999))),
        Panel("Delivery delay by node, p99", "One node apart from the others is that node's own trouble.", "s",
              [(quantile(0.99, "rts_fanout_delay_seconds", by="node"), "{{node}}")]),
        Panel("Deliveries", "Events put into outboxes, by node.", "ops",
              [(rate("rts_deliveries_total", by="node"), "{{node}}")], is_stacked=True),
        Panel("Events a message", "Deliveries for each accepted message: receipts, typing and presence are among them.", "short",
              [(f"{rate('rts_deliveries_total')} / {rate('rts_messages_accepted_total')}", "deliveries")]),
    ]),
    ("Subscriptions", [
        Panel("Subscriptions up", "Whether all of a node's subscriptions to Redis are up: 1, or 0.", "short",
              [(f"min by (node) (rts_bus_connected{{{NODE}}})", "{{node}}")], ("FanoutDisconnected",), width=8, maximum=1),
        Panel("Gaps", "Times that nodes missed events of a room on the channel, a second.", "ops",
              [(rate("rts_bus_gaps_total", by="cluster"), "{{cluster}}")], ("GapsMany",), width=8),
        Panel("Events fetched after a gap", "Missed events that were read from the stream, by node.", "ops",
              [(rate("rts_bus_backfilled_total", by="node"), "{{node}}")], width=8),
        Panel("Outboxes that overflowed", "Clients closed because they read more slowly than their rooms speak.", "ops",
              [(rate("rts_outbox_overflows_total", by="cluster"), "{{cluster}}")], ("OutboxOverflows",)),
        Panel("Outboxes that overflowed, by node", "The same by node: one node alone is its network.", "ops",
              [(rate("rts_outbox_overflows_total", by="node"), "{{node}}")]),
    ]),
    ("Canary", [
        Panel("Age of the last canary",
              "Time since a node last heard a canary, in its quietest group of partitions. Every node sends one every 2 s.", "s",
              [(f"max by (node) (rts_canary_age_seconds{{{NODE}}})", "{{node}}")], ("NodeDeaf",)),
        Panel("Canaries lost", "Canaries that Redis took and that never came back to their node, a second.", "ops",
              [(rate("rts_canary_lost_total", by="cluster"), "{{cluster}}")], ("CanariesLost",)),
        Panel("Publications that wait", "Publications that wait for a shard of the node; at 512 a shard, Redis waits.", "short",
              [(f"max by (node) (rts_fanout_queue_depth{{{NODE}}})", "{{node}}")]),
        Panel("Round trip of a canary, p99", "From a node's publication until its own shard has it.", "s",
              [(quantile(0.99, "rts_canary_round_trip_seconds", by="node"), "{{node}}")]),
    ]),
    ("Redis", [
        Panel("Slow calls to Redis", "Part of the calls longer than 100 ms.", "percentunit",
              share_above("rts_redis_call_duration_seconds", 'le="0.1"'),
              ("RedisSlow",), width=8),
        Panel("Redis call, p99", "By command or script.", "s",
              [(quantile(0.99, "rts_redis_call_duration_seconds", by="call"), "{{call}}")], width=8),
        Panel("Redis calls", "By command or script.", "ops",
              [(rate("rts_redis_call_duration_seconds_count", by="call"), "{{call}}")], width=8),
        Panel("Redis call by node, p99", "One node apart from the others: its way to Redis, or its own CPU.", "s",
              [(quantile(0.99, "rts_redis_call_duration_seconds", by="node"), "{{node}}")]),
        Panel("All calls to Redis", "How many calls took how long.", "s",
              [(f"sum by (le) (increase(rts_redis_call_duration_seconds_bucket{{{NODE}}}[$__rate_interval]))", "{{le}}")],
              kind="heatmap"),
    ]),
]
