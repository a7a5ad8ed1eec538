"""Lambda's event sources: as many batches at a time as the template says, of FIFO queues too.

A group of which messages are in flight is not received from, so batches at a time keep the order of each
group. As it comes, a FIFO queue has one batch at a time, and a poll that found nothing waits 50 ms.
"""

import time

import mend
from ministack.services import lambda_svc, sqs

# How far apart passes begin that leave nothing behind: the messages of a moment share an invocation, which costs
# more than the messages do.
PACE_SECONDS = 0.1
# How long messages may wait unseen: those that come back are not announced.
IDLE_SECONDS = 0.25


def concurrency(source, function, config, queue=None):
    """How many batches of a source may be in flight; known to take these arguments."""
    scaling = source.get("ScalingConfig") or {}
    limit = int(scaling.get("MaximumConcurrency") or lambda_svc._ESM_SQS_DEFAULT_CONCURRENCY)
    reserved = lambda_svc._reserved_concurrency(function, config)
    return limit if reserved is None else min(limit, reserved)


class Backlog:
    """Whether the last pass left a queue with more than it took."""

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
