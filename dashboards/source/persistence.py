"""The way of an accepted message into the tables, in its order."""

from grafana import NODE, Panel, quantiles, rate, share_above, stat, windows

UID, TITLE, FILE = "rts-persistence", "Persistence pipeline", "persistence-pipeline.json"
DESCRIPTION = "From the journal by SQS and the functions into DynamoDB, and the reconciler behind them."

_BATCH = "rts_journal_batch_size"

ROWS = [
    ("Now", [
        stat("Oldest unstored", "Age of the oldest change that is visible and not stored yet.", "s",
             f"max(rts_unstored_oldest_age_seconds{{{NODE}}})", alerts=("UnstoredOld", "UnstoredStuck"), width=6),
        stat("Unstored", "Changes that are visible and not stored yet.", "short",
             f"sum(rts_unstored_messages{{{NODE}}})", width=6),
        stat("Waiting in the queues", "Messages that no function has yet, in the fuller queue.", "short",
             f'max(rts_queue_messages{{{NODE}, state="visible"}})', alerts=("QueueBacklog",), width=6),
        stat("Journal depth", "Entries on their way to SQS, of the fullest node. A journal holds 20,000.", "short",
             f"max(rts_journal_queue_depth{{{NODE}}})", alerts=("JournalFilling",), width=6),
    ]),
    ("1: the journal, to SQS", [
        Panel("Journal depth by node", "Entries on their way to SQS, of each node. A journal holds 20,000.", "short",
              [(f"sum by (node) (rts_journal_queue_depth{{{NODE}}})", "{{node}}")], ("JournalFilling",)),
        Panel("Journal errors", "Failed batches and entries a second, all kinds together.", "ops",
              [(rate("rts_journal_errors_total", by="cluster"), "{{cluster}}")], ("JournalErrors",)),
        Panel("Journal errors by kind", "Failed batches and entries, by kind.", "ops",
              [(rate("rts_journal_errors_total", by="kind"), "{{kind}}")], width=8),
        Panel("SQS call", "One batch to SQS and back.", "s", quantiles("rts_journal_send_duration_seconds"), width=8),
        Panel("Entries of a batch", "Mean size of the batches sent to SQS: fuller ones cost less.", "short",
              [(f"{rate(_BATCH + '_sum')} / {rate(_BATCH + '_count')}", "entries")], width=8),
    ]),
    ("2: the queues, to the functions", [
        Panel("Messages in the queues", "As SQS tells, every ten seconds: what waits, and what a function has.", "short",
              [(f"max by (queue, state) (rts_queue_messages{{{NODE}}})", "{{queue}} {{state}}")], ("QueueBacklog",), width=8),
        Panel("Long waits", "Part of the messages that waited in a queue for longer than 15 s.", "percentunit",
              share_above("rts_queue_wait_seconds", 'le=~"15([.]0)?"'),
              ("QueueWaitLong",), width=8),
        Panel("Queue wait", "From SQS's acceptance of a message until a function has it.", "s",
              quantiles("rts_queue_wait_seconds"), width=8),
    ]),
    ("3: the functions, to DynamoDB", [
        Panel("Late storing",
              "Part of the messages stored later than a minute after they were accepted. Promised: 99 % in time.", "percentunit",
              windows("cluster:rts_persist_slow:ratio_rate", "30m", "6h"),
              ("PersistLate",), width=8),
        Panel("Persist lag",
              "From a message's acceptance until it is stored.", "s", quantiles("rts_persist_lag_seconds"), width=8),
        Panel("Persist lag, all of them", "How many messages took how long.", "s",
              [(f"sum by (le) (increase(rts_persist_lag_seconds_bucket{{{NODE}}}[$__rate_interval]))", "{{le}}")],
              kind="heatmap", width=8),
    ]),
    ("4: what is not stored, and the reconciler", [
        Panel("Age of the oldest unstored", "More than a minute means that something is stuck.", "s",
              [(f"max by (cluster) (rts_unstored_oldest_age_seconds{{{NODE}}})", "{{cluster}}")],
              ("UnstoredOld", "UnstoredStuck"), width=8),
        Panel("Unstored by node",
              "Changes that are visible and not stored yet, in the partitions that a node looks after.", "short",
              [(f"sum by (node) (rts_unstored_messages{{{NODE}}})", "{{node}}")], width=8, is_stacked=True),
        Panel("Set aside", "Changes that DynamoDB refuses and that wait in the dead-letter queues.", "short",
              [(f"sum by (cluster) (rts_set_aside{{{NODE}}})", "{{cluster}}")], ("SetAside",), width=8),
        Panel("Since the reconciler's last round", "Of each node; a round takes five seconds when there is nothing to do.", "s",
              [(f"time() - max by (node) (rts_reconciler_round_ended_timestamp_seconds{{{NODE}}})", "{{node}}")],
              ("ReconcilerStalled",), width=8),
        Panel("Reconciler", "Changes that were unstored for too long, by what was done about them.", "ops",
              [(rate("rts_reconciled_total", by="outcome"), "{{outcome}}")], width=8),
        Panel("Journaled again", "Changes that SQS does not seem to have, journaled again.", "ops",
              [(rate("rts_reconciled_total", 'outcome="journaled"'), "journaled")], ("JournaledAgain",), width=8),
        Panel("Reconciler's failures", "Changes that could not be dealt with, and are tried again.", "ops",
              [(rate("rts_reconciled_total", 'outcome="failed"'), "failed")], ("ReconcilerFailing",), width=8),
    ]),
]
