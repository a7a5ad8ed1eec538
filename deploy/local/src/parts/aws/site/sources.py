"""Lambda's event sources: as many concurrent batches as the template says, even for FIFO queues.

No messages are received from a group with messages in flight, so concurrent batches keep the order of
each group. By default a FIFO queue has one batch at a time, and a poll that finds nothing waits 50 ms.
"""

import time

import mend
from ministack.services import lambda_svc, sqs

# Time between passes that empty their queues: messages that arrive together share an invocation, which costs
# more than the messages do.
PACE_SECONDS = 0.1
# Longest time between passes: messages that become visible again are not announced.
IDLE_SECONDS = 0.25


def concurrency(source, function, config, queue=None):
    """The limit on a source's batches in flight. The stand-in determines the parameters."""
    scaling = source.get("ScalingConfig") or {}
    limit = int(scaling.get("MaximumConcurrency") or lambda_svc._ESM_SQS_DEFAULT_CONCURRENCY)
    reserved = lambda_svc._reserved_concurrency(function, config)
    return limit if reserved is None else min(limit, reserved)


class Backlog:
    """Records that the last pass left messages in a queue."""

    is_likely = False


def receive(url, count):
    batch = stand_ins_receive(url, count)
    Backlog.is_likely = Backlog.is_likely or len(batch) >= min(count, 10)
    return batch


def poll_forever():
    while True:
        started = time.monotonic()
        Backlog.is_likely = False
        lambda_svc._esm_wake.clear()
        for poll in (lambda_svc._poll_sqs, lambda_svc._poll_kinesis, lambda_svc._poll_dynamodb_streams):
            try:
                poll()
            except Exception:
                lambda_svc.logger.exception("an event source could not be polled")
        if Backlog.is_likely:
            continue
        lambda_svc._esm_wake.wait(IDLE_SECONDS)
        time.sleep(max(0, started + PACE_SECONDS - time.monotonic()))


def apply():
    global stand_ins_receive
    stand_ins_receive = mend.replace(sqs, "_receive_messages_for_esm", receive, "f230dbcd4974")
    mend.replace(lambda_svc, "_sqs_esm_concurrency", concurrency, "d3e9d1e865aa")
    mend.replace(lambda_svc, "_poll_loop", poll_forever, "6a443090919a")
