"""What a load test sees while it runs, and the cluster beside it."""

from grafana import CLUSTER, NODE, Panel, quantile, quantiles, rate, share_above, stat, summed

UID, TITLE, FILE = "rts-loadtest", "Load test", "load-test.json"
DESCRIPTION = "What loadtest sees while it runs, and the cluster beside it."

_LATENCY = "rts_loadtest_latency_seconds"
_WRONG = ("errors", "connect_failures", "dropped")


def _total(count, by=""):
    return summed(f"rate(rts_loadtest_{count}_total{{{CLUSTER}}}[$__rate_interval])", by)


def _of(kind):
    return f'kind="{kind}"'


def _p(q, kind):
    return quantile(q, _LATENCY, _of(kind), selector=CLUSTER)


ROWS = [
    ("Now", [
        stat("Scenario", "What is run.", "short", f"rts_loadtest_info{{{CLUSTER}}}", legend="{{scenario}}", text_mode="name"),
        stat("Connected", "Virtual users that are connected and have resumed.", "short",
             f"sum(rts_loadtest_connections{{{CLUSTER}}})"),
        stat("Sent", "Messages put on the wire for the first time, a second.", "mps", _total("sent"), decimals=1),
        stat("Delivery, p99", "From the intended send to a member's receipt.", "s", _p(0.99, "delivery")),
        stat("Errors",
             "Calls that failed, connections that could not be opened, connections that were dropped, "
             "in this range of time.", "short",
             " + ".join(f"sum(increase(rts_loadtest_{count}_total{{{CLUSTER}}}[$__range]))" for count in _WRONG)),
        stat("Violations",
             "Broken promises of the commonest kind in this range of time: lost, doubled, out of order and the like.", "short",
             f"max(increase(rts_loadtest_violations_total{{{CLUSTER}}}[$__range]))", alerts=("LoadTestBrokenPromise",)),
    ]),
    ("Load", [
        Panel("Messages", "What the scenario asks for, what was sent, and what was acknowledged.", "mps",
              [(f"sum(rts_loadtest_target_rate{{{CLUSTER}}})", "asked for"), (_total("sent"), "sent"),
               (_total("acked"), "acknowledged"), (_total("resent"), "sent again")]),
        Panel("Deliveries", "Events received by members, and unsequenced ones: typing, receipts, presence.", "ops",
              [(_total("delivered"), "delivered"), (_total("noise"), "unsequenced")]),
        Panel("Connections", "Virtual users, and how many are connected.", "short",
              [(f"sum(rts_loadtest_users{{{CLUSTER}}})", "users"), (f"sum(rts_loadtest_connections{{{CLUSTER}}})", "connected")],
              width=8),
        Panel("Connects", "Connections opened, cut on purpose, and those that could not be opened.", "ops",
              [(_total("connects"), "opened"), (_total("cut"), "cut on purpose"), (_total("connect_failures"), "failed")],
              width=8),
        Panel("Dropped", "Connections that ended though nobody there ended them, a second.", "ops",
              [(_total("dropped", by="cluster"), "{{cluster}}")], ("LoadTestDropped",), width=8),
    ]),
    ("Latency, from the intended time", [
        Panel("Delivery", "From the intended send to a member's receipt, live.", "s",
              quantiles(_LATENCY, _of("delivery"), selector=CLUSTER, qs=(0.5, 0.99, 0.999))),
        Panel("Delivery, all of them", "How many deliveries took how long.", "s",
              [(f"sum by (le) (increase({_LATENCY}_bucket{{{CLUSTER}, {_of('delivery')}}}[$__rate_interval]))", "{{le}}")],
              kind="heatmap"),
        Panel("Acknowledged and stored", "From the intended send until it is durable, and until it is in DynamoDB.", "s",
              [(_p(0.5, "ack"), "acknowledged, p50"), (_p(0.99, "ack"), "acknowledged, p99"),
               (_p(0.99, "stored"), "stored, p99")],
              width=8),
        Panel("Everything, p99",
              "Delivery, catching up after a reconnect, acknowledgement, storing, connecting, other calls.", "s",
              [(quantile(0.99, _LATENCY, by="kind", selector=CLUSTER), "{{kind}}")], width=8),
        Panel("Lateness of the load test",
              "Part of the sends that the load test itself began more than 100 ms late.", "percentunit",
              share_above(_LATENCY, 'le="0.1"', _of("send_lag"), selector=CLUSTER),
              ("LoadTestLate",), width=8),
    ]),
    ("What went wrong", [
        Panel("Errors by second", "Calls answered with an error, a second.", "ops",
              [(_total("errors", by="cluster"), "{{cluster}}")], ("LoadTestErrors",), width=8),
        Panel("Refusals",
              "Sends refused by the rate limit or for good, calls answered with unavailable, "
              "and sends that could not be made.", "ops",
              [(_total("rate_limited"), "rate limited"), (_total("unavailable"), "unavailable"),
               (_total("refused"), "refused for good"), (_total("unsent"), "unsent")], width=8),
        Panel("Violations by kind", "Broken promises, when they were found.", "short",
              [(f"sum by (kind) (increase(rts_loadtest_violations_total{{{CLUSTER}}}[$__rate_interval]))", "{{kind}}")],
              ("LoadTestBrokenPromise",), width=8),
    ]),
    ("Probe", [
        Panel("Since the probe's last success",
              "Time since a message of `loadtest probe` was received in time. Zero when no probe runs.", "s",
              [(f"time() - max by (cluster) (rts_probe_last_success_timestamp_seconds{{{CLUSTER}}}) or on () vector(0)",
                "{{cluster}}")], ("ProbeFails",), width=8),
        Panel("Probe's messages", "What became of them, a second. Zero when no probe runs.", "ops",
              [(f"sum(rate(rts_probe_{count}_total{{{CLUSTER}}}[$__rate_interval])) or on () vector(0)", count)
               for count in ("sent", "delivered", "late", "lost", "failed", "doubled", "errors")], width=8),
        Panel("Probe's latency, p99", "From the intended send, as somebody outside sees it. Zero when no probe runs.", "s",
              [(quantile(0.99, "rts_probe_latency_seconds", by="kind", selector=CLUSTER) + " or on () vector(0)", "{{kind}}")],
              width=8),
    ]),
    ("The cluster meanwhile", [
        Panel("Nodes", "Messages accepted by each node.", "mps",
              [(rate("rts_messages_accepted_total", by="node"), "{{node}}")], width=8),
        Panel("Delivery delay in the cluster, p99",
              "From the publication of an event to the outboxes: the cluster's part of the delivery latency.", "s",
              [(quantile(0.99, "rts_fanout_delay_seconds", by="node"), "{{node}}")], width=8),
        Panel("Unstored", "Changes that are visible and not stored yet.", "short",
              [(f"sum(rts_unstored_messages{{{NODE}}})", "unstored")], width=8),
    ]),
]
