"""SQS: the cost of a request does not depend on the number of messages in the queue.

By default each send rebuilds the table of deduplication ids of five minutes, and each receive and each
delete walks through all messages of the queue. Worse, a delete by an event source replaces the queue's
list with the remaining messages: one sent meanwhile, by another thread, is lost.
"""

import collections
import heapq
import itertools
import json
import threading
import time

import mend
from ministack.core.concurrency import esm_wake
from ministack.core.responses import get_account_id, new_uuid
from ministack.services import sqs


class Messages:
    """The messages of one queue in order of arrival, in place of the plain list; thread-safe.

    A message is *away* while it is received or delayed: until its `visible_at`. `_due` orders their
    return; its entries may be out of date. In a FIFO queue a group with a received message waits as a
    whole.
    """

    def __init__(self, is_fifo, messages=()):
        self._lock = threading.RLock()
        self._is_fifo = is_fifo
        self._all = {}
        self._handles = {}
        self._away = {}
        self._due = []
        # The messages that can be received, in order, by group. A standard queue has one group, which never
        # waits.
        self._groups = collections.OrderedDict()
        self._flying = collections.Counter()
        for message in messages:
            self.append(message)

    # --- The interface of a list, for the rest of the stand-in ---

    def __len__(self):
        return len(self._all)

    def __iter__(self):
        with self._lock:
            return iter(list(self._all.values()))

    def __getitem__(self, index):
        return list(self)[index]

    def append(self, message):
        with self._lock:
            message.setdefault("id", new_uuid())
            sqs._ensure_msg_fields(message)
            self._all[message["id"]] = message
            if message["receipt_handle"] is not None:
                self._handles[message["receipt_handle"]] = message
            if message["visible_at"] > time.time():
                self._leave(message)
            else:
                self._stand(message)

    def remove(self, message):
        with self._lock:
            if self._all.pop(message["id"], None) is None:
                return
            self._handles.pop(message["receipt_handle"], None)
            if message["id"] in self._away:
                self._arrive(message)
            self._unstand(message)

    def clear(self):
        with self._lock:
            for kept in (self._all, self._handles, self._away, self._due, self._groups, self._flying):
                kept.clear()

    # --- The interface of a queue ---

    def take(self, count, seconds, over):
        """Receives up to `count` messages, which are away for `seconds`. `over` returns True if it has moved a
        returning message to the dead letters instead."""
        with self._lock:
            now = time.time()
            self.bring_back(now, over)
            taken = []
            for name in list(self._groups):
                if len(taken) >= count:
                    break
                if self._is_fifo and self._flying[name]:
                    continue
                # The next receive begins with another group.
                self._groups.move_to_end(name)
                for message in list(itertools.islice(self._groups[name].values(), count - len(taken))):
                    self._receive(message, now, seconds)
                    taken.append(message)
            return taken

    def bring_back(self, now, over):
        """Makes messages visible again whose time is up."""
        with self._lock:
            while self._due and self._due[0][0] <= now:
                _, key = heapq.heappop(self._due)
                message = self._away.get(key)
                if message is None or message["visible_at"] > now:
                    continue
                self._arrive(message)
                if message["receive_count"] and over(message):
                    self.remove(message)
                else:
                    self._stand(message)

    def expire(self, cutoff):
        """Drops messages that arrived before a time."""
        with self._lock:
            while self._all:
                oldest = next(iter(self._all.values()))
                if oldest.get("enqueued_at", oldest["sent_at"]) > cutoff:
                    return
                self.remove(oldest)

    def delete(self, handle):
        """Deletes the message with this receipt handle; False if there is none."""
        with self._lock:
            message = self._handles.get(handle) if handle else None
            if message is None:
                return False
            self.remove(message)
            return True

    def change_visibility(self, handle, seconds):
        """Changes when the message with this receipt handle becomes visible; False if there is none."""
        with self._lock:
            message = self._handles.get(handle) if handle else None
            if message is None:
                return False
            message["visible_at"] = time.time() + seconds
            if message["id"] not in self._away:
                self._unstand(message)
                self._leave(message)
            else:
                self._note_due(message)
            return True

    def counts(self):
        """The numbers of visible, received and delayed messages."""
        with self._lock:
            received = sum(1 for message in self._away.values() if message["receive_count"])
            return len(self._all) - len(self._away), received, len(self._away) - received

    # --- The states of a message ---

    def _group(self, message):
        return message["group_id"] if self._is_fifo else None

    def _stand(self, message):
        standing = self._groups.setdefault(self._group(message), collections.OrderedDict())
        standing[message["id"]] = message
        if message["receive_count"]:
            # A returning message goes after earlier ones that returned too, and before the rest.
            number = message["seq"] or ""
            before = itertools.takewhile(lambda it: (it["seq"] or "") < number, standing.values())
            earlier = [it["id"] for it in before]
            standing.move_to_end(message["id"], last=False)
            for key in reversed(earlier):
                standing.move_to_end(key, last=False)

    def _unstand(self, message):
        name = self._group(message)
        standing = self._groups.get(name)
        if standing is not None:
            standing.pop(message["id"], None)
            if not standing:
                del self._groups[name]

    def _receive(self, message, now, seconds):
        self._unstand(message)
        self._handles.pop(message["receipt_handle"], None)
        message["receipt_handle"] = new_uuid()
        message["visible_at"] = now + seconds
        message["receive_count"] += 1
        message["first_receive_at"] = message["first_receive_at"] or now
        self._handles[message["receipt_handle"]] = message
        self._leave(message)

    def _leave(self, message):
        self._away[message["id"]] = message
        self._note_due(message)
        if message["receive_count"]:
            self._flying[self._group(message)] += 1

    def _note_due(self, message):
        heapq.heappush(self._due, (message["visible_at"], message["id"]))

    def _arrive(self, message):
        del self._away[message["id"]]
        if message["receive_count"]:
            name = self._group(message)
            self._flying[name] -= 1
            if not self._flying[name]:
                del self._flying[name]


def messages(queue):
    """The messages of a queue, which the stand-in creates with a plain list."""
    held = queue["messages"]
    if not isinstance(held, Messages):
        held = queue["messages"] = Messages(queue["is_fifo"], held)
    return held


def bury(queue):
    """Returns a function that moves a message to the dead letters if it has no receives left, and returns True then."""
    try:
        policy = json.loads(queue["attributes"].get("RedrivePolicy") or "{}")
        most, arn = int(policy["maxReceiveCount"]), policy["deadLetterTargetArn"]
    except (ValueError, TypeError, KeyError):
        return lambda message: False
    grave = sqs._queue_by_arn(arn)
    if grave is None:
        return lambda message: False

    def over(message):
        if message["receive_count"] < most:
            return False
        now = time.time()
        moved = {**message, "receipt_handle": None, "visible_at": now, "sys": {**message["sys"]}}
        if grave["is_fifo"]:
            moved["enqueued_at"] = now
        moved["sys"].setdefault("DeadLetterQueueSourceArn", queue["attributes"]["QueueArn"])
        messages(grave).append(moved)
        esm_wake.set()
        return True

    return over


def prune_dedup(queue):
    """Drops expired ids, which are kept in order of expiry."""
    table, now = queue["dedup_cache"], time.time()
    while table:
        oldest = next(iter(table))
        if table[oldest]["expire"] > now:
            return
        del table[oldest]


def expire_retained(queue):
    try:
        messages(queue).expire(time.time() - int(queue["attributes"].get("MessageRetentionPeriod", "345600")))
    except ValueError:
        pass


def refresh_counts(queue):
    expire_retained(queue)
    held = messages(queue)
    held.bring_back(time.time(), bury(queue))
    visible, received, delayed = held.counts()
    queue["attributes"]["ApproximateNumberOfMessages"] = str(visible)
    queue["attributes"]["ApproximateNumberOfMessagesNotVisible"] = str(received)
    queue["attributes"]["ApproximateNumberOfMessagesDelayed"] = str(delayed)


def collect(queue, count, seconds):
    return messages(queue).take(count, seconds, bury(queue))


def delete(data, url):
    queue = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteMessage")
    handle = data.get("ReceiptHandle", "")
    if not handle:
        raise sqs._Err("MissingParameter", "The request must contain the parameter ReceiptHandle.")
    if not messages(queue).delete(handle):
        raise sqs._Err("ReceiptHandleIsInvalid", INVALID)
    esm_wake.set()
    return {}


def delete_batch(data, url):
    queue = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteMessage")
    entries = data.get("Entries", [])
    sqs._validate_batch_entries(entries, "DeleteMessageBatchRequestEntry")
    return outcome((entry, messages(queue).delete(entry.get("ReceiptHandle", ""))) for entry in entries)


def change_visibility(data, url):
    queue = sqs._get_q(data.get("QueueUrl", url), "sqs:ChangeMessageVisibility")
    if not messages(queue).change_visibility(data.get("ReceiptHandle", ""), int(data.get("VisibilityTimeout", 30))):
        raise sqs._Err("ReceiptHandleIsInvalid", INVALID)
    esm_wake.set()
    return {}


def change_visibility_batch(data, url):
    queue = sqs._get_q(data.get("QueueUrl", url), "sqs:ChangeMessageVisibility")
    entries = data.get("Entries", [])
    sqs._validate_batch_entries(entries, "ChangeMessageVisibilityBatchRequestEntry")
    held = messages(queue)
    return outcome(
        (entry, held.change_visibility(entry.get("ReceiptHandle", ""), int(entry.get("VisibilityTimeout", 30))))
        for entry in entries
    )


INVALID = "The input receipt handle is invalid."


def outcome(results):
    """Builds the response to a batch from its entries, each of which was found or not."""
    answer = {"Successful": [], "Failed": []}
    for entry, was_found in results:
        identity = {"Id": entry.get("Id", "")}
        if was_found:
            answer["Successful"].append(identity)
        else:
            refusal = {"Code": "ReceiptHandleIsInvalid", "Message": INVALID, "SenderFault": True}
            answer["Failed"].append({**identity, **refusal})
    esm_wake.set()
    return answer


def delete_for_source(url, handles):
    held = messages(sqs._get_q(url))
    for handle in handles:
        held.delete(handle)


def enforce_policy(queue, action):
    """Skips the check for a queue without a policy and its own account's callers. It runs for each message."""
    attributes = queue["attributes"]
    is_own = attributes.get("QueueArn", "").split(":")[4:5] == [get_account_id()]
    if attributes.get("Policy") or not is_own:
        stand_ins_enforce_policy(queue, action)


def apply():
    global stand_ins_enforce_policy
    stand_ins_enforce_policy = mend.replace(sqs, "_enforce_queue_policy", enforce_policy, "2ab74344d2b2")
    mend.replace(sqs, "_prune_dedup", prune_dedup, "798b8a9933ba")
    mend.replace(sqs, "_expire_retained", expire_retained, "c0da3361632b")
    mend.replace(sqs, "_refresh_counts", refresh_counts, "5d0fb7b342d2")
    mend.replace(sqs, "_collect_msgs", collect, "308a6eb1b3d4")
    # Here a message moves to the dead letters when it becomes visible again.
    mend.replace(sqs, "_dlq_sweep", lambda queue: None, "6a77691e1671")
    mend.replace(sqs, "_delete_messages_for_esm", delete_for_source, "c1686f29b48b")
    for action, name, new, known in (
        ("DeleteMessage", "_act_delete_message", delete, "8d700665e3d6"),
        ("DeleteMessageBatch", "_act_delete_message_batch", delete_batch, "877517c32f0f"),
        ("ChangeMessageVisibility", "_act_change_visibility", change_visibility, "387eac7e8e12"),
        ("ChangeMessageVisibilityBatch", "_act_change_visibility_batch", change_visibility_batch, "bd08e3c7b0ab"),
    ):
        mend.replace(sqs, name, new, known)
        sqs._HANDLERS[action] = new
