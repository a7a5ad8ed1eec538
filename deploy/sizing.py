#!/usr/bin/env python3
"""Prints the table of costs of SIZING.md: what 10,000, 100,000 and 1,000,000 connections at peak take in a month.

An estimate from a model of use, list prices and measurements named in SIZING.md; nothing of it was billed. Change the model to
yours and run it again.
"""

from dataclasses import dataclass

HOURS, SECONDS = 730, 730 * 3600
SMALL, LARGE, HUGE = 10_000, 100_000, 1_000_000

# --- The model of use -------------------------------------------------------------------------------------------------
SENDS_PER_CONNECTION = 1 / 100  # a second, at peak
MEAN_OF_PEAK = 1 / 4  # over the month
RECIPIENTS = 10  # connections that get a message
MARKS = 2  # changes of read and delivered marks of a message that are written
DELIVERY_BYTES = 600  # an event of a short message, with framing and TLS
STORED_BYTES = 700  # an item of it
PUBLISHED_BYTES = 700  # from Redis to each node that has one of its recipients
SESSION_LOG_BYTES, SESSION_HOURS = 300, 1  # a log line a session

# --- List prices in dollars, us-east-1 ------------------------------------------------------------------------------------
PRICES = {
    "alb_hour": 0.0225, "lcu_hour": 0.008, "nlcu_hour": 0.006,
    "c7i.large": 0.08925, "c7i.xlarge": 0.1785,
    "cache.m7g.large": 0.1264, "cache.m7g.xlarge": 0.2528, "cache.r7g.xlarge": 0.3496,
    "fifo_request": 0.50e-6, "standard_request": 0.40e-6,
    "invocation": 0.20e-6, "gb_second": 1.66667e-5,
    "write_unit": 0.625e-6, "read_unit": 0.125e-6, "stored_gb": 0.25,
    "out_gb": 0.09, "out_gb_over_10tb": 0.085, "cross_zone_gb": 0.02,
    "nat_hour": 0.045, "endpoint_hour": 0.01, "metric": 0.30, "log_gb": 0.50, "alarm": 0.10, "detailed_monitoring": 2.10,
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """What is chosen for a number of connections; SIZING.md says why."""

    connections: int
    node: str
    nodes: int
    cache: str
    shards: int  # each with one replica
    zones: int
    nats: int
    endpoints: int  # interface endpoints a zone
    batch: float  # messages of a request to SQS
    room_batch: int  # marks of an invocation
    function_gb: float
    nodes_per_message: int  # that have a recipient


SIZES = (
    Size(SMALL, "c7i.large", 2, "cache.m7g.large", 3, 2, 1, 1, 1.5, 10, 0.25, 2),
    Size(LARGE, "c7i.xlarge", 5, "cache.m7g.xlarge", 4, 3, 3, 11, 4, 250, 0.5, 5),
    Size(HUGE, "c7i.xlarge", 40, "cache.r7g.xlarge", 6, 3, 3, 11, 5, 500, 0.5, 10),
)


def load(size):
    """Messages a second at peak, in the mean, and in a month."""
    peak = size.connections * SENDS_PER_CONNECTION
    return peak, peak * MEAN_OF_PEAK, peak * MEAN_OF_PEAK * SECONDS


def balancer_units(size):
    """Capacity units of an ALB and of an NLB: the largest of their dimensions, connections as if all were there all month."""
    _, mean, _ = load(size)
    gb_hour = mean * RECIPIENTS * DELIVERY_BYTES * 3600 / 1e9
    new = size.connections / SESSION_HOURS / 3600
    return max(size.connections / 3000, gb_hour, new / 25), max(size.connections / 100_000, gb_hour, new / 800)


def costs(size):
    """Dollars a month, by part."""
    p, (_, _, messages) = PRICES, load(size)
    lcu, _ = balancer_units(size)
    out_gb = messages * RECIPIENTS * DELIVERY_BYTES / 1e9
    out = min(out_gb, 10_240) * p["out_gb"] + max(out_gb - 10_240, 0) * p["out_gb_over_10tb"]
    # Of nodes spread over zones, all but one share is elsewhere.
    cross_gb = messages * size.nodes_per_message * PUBLISHED_BYTES / 1e9 * (1 - 1 / size.zones)
    invocations, room_invocations = messages / size.batch, messages * MARKS / size.room_batch
    gb_seconds = invocations * 0.04 * size.function_gb + room_invocations * 0.002 * size.room_batch * size.function_gb
    log_gb = size.connections / SESSION_HOURS / 3600 * SECONDS * SESSION_LOG_BYTES / 1e9
    return {
        "balancer (ALB)": (p["alb_hour"] + lcu * p["lcu_hour"]) * HOURS,
        "gateways": size.nodes * p[size.node] * HOURS,
        "Redis": size.shards * 2 * p[size.cache] * HOURS,
        "SQS": messages * (3 / size.batch * p["fifo_request"] + MARKS / size.batch * p["standard_request"]),
        "Lambda": (invocations + room_invocations) * p["invocation"] + gb_seconds * p["gb_second"],
        "DynamoDB, writes": messages * (1 + MARKS) * p["write_unit"],
        "DynamoDB, reads": messages * p["read_unit"],
        "DynamoDB, each month kept": messages * STORED_BYTES / 1e9 * p["stored_gb"],
        "data to clients": out,
        "data between zones": cross_gb * p["cross_zone_gb"],
        "NAT, endpoints": (size.nats * p["nat_hour"] + size.zones * size.endpoints * p["endpoint_hour"]) * HOURS,
        "watching": 30 * p["metric"] + log_gb * p["log_gb"] + (26 + 8 * size.shards) * p["alarm"]
        + size.nodes * p["detailed_monitoring"],
    }  # fmt: skip


def table():
    by_size = [costs(size) for size in SIZES]
    rows = [f"| {part} | " + " | ".join(f"{column[part]:,.0f}" for column in by_size) + " |" for part in by_size[0]]
    total = "| **together** | " + " | ".join(f"**{sum(column.values()):,.0f}**" for column in by_size) + " |"
    head = "| $ a month | " + " | ".join(f"{size.connections:,}" for size in SIZES) + " |\n|---|---|---|---|"
    return "\n".join([head, *rows, total])


def main():
    print(table())
    for size in SIZES:
        peak, mean, messages = load(size)
        alb, nlb = balancer_units(size)
        nlb_cost = (PRICES["alb_hour"] + nlb * PRICES["nlcu_hour"]) * HOURS
        print(f"{size.connections:,}: peak {peak:,.0f}/s, mean {mean:,.0f}/s, {messages / 1e6:,.1f}M a month; "
              f"{alb:.1f} LCU or {nlb:.1f} NLCU (${nlb_cost:,.0f})")  # fmt: skip


if __name__ == "__main__":
    main()
