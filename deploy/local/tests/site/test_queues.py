"""The guarantees of a queue, tested on the patched one."""

import threading
import time
import unittest

import mended  # noqa: F401
import queues


def message(number, group=None, **more):
    text = f"{number:020d}"
    return {
        "id": f"m{number}",
        "body": text,
        "receipt_handle": None,
        "sent_at": time.time(),
        "visible_at": time.time(),
        "receive_count": 0,
        "group_id": group,
        "seq": text if group else None,
        **more,
    }


def never(message):
    return False


def ids(taken):
    return [it["id"] for it in taken]


class Fifo(unittest.TestCase):
    def setUp(self):
        self.held = queues.Messages(True, [message(number, "ab"[number % 2]) for number in range(6)])

    def test_a_group_waits_while_one_of_its_messages_is_received(self):
        first = self.held.take(2, 30, never)
        self.assertEqual(ids(first), ["m0", "m2"])
        second = self.held.take(10, 30, never)
        self.assertEqual(ids(second), ["m1", "m3", "m5"])
        self.assertEqual(self.held.take(10, 30, never), [])
        self.assertTrue(self.held.delete(first[0]["receipt_handle"]))
        self.assertEqual(self.held.take(10, 30, never), [], "its second is still received")
        self.assertTrue(self.held.delete(first[1]["receipt_handle"]))
        self.assertEqual(ids(self.held.take(10, 30, never)), ["m4"])
        self.assertEqual(self.held.counts(), (0, 4, 0))

    def test_returning_messages_come_before_the_rest_and_in_order(self):
        self.held.take(2, 0.05, never)
        time.sleep(0.06)
        self.assertEqual(self.held.counts()[0], 4)
        taken = self.held.take(10, 30, never)
        self.assertEqual([it for it in ids(taken) if int(it[1:]) % 2 == 0], ["m0", "m2", "m4"])
        self.assertEqual(taken[ids(taken).index("m0")]["receive_count"], 2)

    def test_an_old_handle_is_no_longer_valid(self):
        old = self.held.take(1, 0.01, never)[0]["receipt_handle"]
        time.sleep(0.02)
        self.held.take(10, 30, never)
        self.assertFalse(self.held.delete(old))
        self.assertEqual(len(self.held), 6)

    def test_a_changed_visibility_takes_effect(self):
        handle = self.held.take(1, 30, never)[0]["receipt_handle"]
        self.assertTrue(self.held.change_visibility(handle, 0))
        self.assertIn("m0", ids(self.held.take(10, 30, never)))
        self.assertFalse(self.held.change_visibility("another", 0))


class Standard(unittest.TestCase):
    def test_each_message_is_received_once_until_it_returns(self):
        held = queues.Messages(False, [message(number) for number in range(5)])
        self.assertEqual(ids(held.take(3, 0.05, never)), ["m0", "m1", "m2"])
        self.assertEqual(ids(held.take(10, 30, never)), ["m3", "m4"])
        time.sleep(0.06)
        self.assertEqual(sorted(ids(held.take(10, 30, never))), ["m0", "m1", "m2"])

    def test_a_delayed_message_is_not_received_before_its_time(self):
        held = queues.Messages(False, [message(0, visible_at=time.time() + 0.05)])
        self.assertEqual((held.take(1, 30, never), held.counts()), ([], (0, 0, 1)))
        time.sleep(0.06)
        self.assertEqual(ids(held.take(1, 30, never)), ["m0"])

    def test_old_messages_are_dropped(self):
        held = queues.Messages(False, [message(0, sent_at=1), message(1)])
        held.expire(time.time() - 60)
        self.assertEqual(ids(held), ["m1"])


class Queue(unittest.TestCase):
    def queue(self, name, **attributes):
        from ministack.services import sqs

        sqs._act_create_queue({"QueueName": name, "Attributes": attributes}, "")
        return sqs._get_q(name)

    def test_dead_letters_are_moved_when_they_return(self):
        dead = self.queue("dead.fifo")
        policy = f'{{"deadLetterTargetArn": "{dead["attributes"]["QueueArn"]}", "maxReceiveCount": 2}}'
        queue = self.queue("live.fifo", RedrivePolicy=policy)
        queue["messages"].append(message(0, "a"))
        for _ in range(2):
            self.assertEqual(ids(queues.collect(queue, 1, 0.01)), ["m0"])
            time.sleep(0.02)
        self.assertEqual(queues.collect(queue, 1, 0.01), [])
        self.assertEqual((ids(dead["messages"]), len(queue["messages"])), (["m0"], 0))
        queues.refresh_counts(dead)
        self.assertEqual(dead["attributes"]["ApproximateNumberOfMessages"], "1")

    def test_expired_deduplication_ids_are_dropped(self):
        now = time.time()
        queue = {"dedup_cache": {"a": {"expire": now - 2}, "b": {"expire": now - 1}, "c": {"expire": now + 9}}}
        queues.prune_dedup(queue)
        self.assertEqual(list(queue["dedup_cache"]), ["c"])

    def test_nothing_is_lost_between_threads(self):
        held = queues.Messages(True)
        received, deadline = [], time.monotonic() + 20

        def receive():
            while len(received) < 4000 and time.monotonic() < deadline:
                for taken in held.take(10, 30, never):
                    received.append(taken["body"])
                    held.delete(taken["receipt_handle"])

        threads = [threading.Thread(target=receive) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(4000):
            held.append(message(number, f"g{number % 7}"))
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(received)), 4000)
        self.assertEqual((len(received), len(held), held.counts()), (4000, 0, (0, 0, 0)))


if __name__ == "__main__":
    unittest.main()
