"""A conversation, gaps and resumes with the raw client, against the cluster at RTS_URL; RTS_URLS are its nodes."""

import os
import threading
import unittest
import uuid

from raw import Client, Connection, HubError, dev_token, until

URLS = os.environ["RTS_URLS"].split(",")


def client(user, node=0):
    base = URLS[node % len(URLS)]
    return Client(base, lambda: dev_token(base, user)).start()


class Raw(unittest.TestCase):
    def setUp(self):
        mark = uuid.uuid4().hex[:6]
        self.ann, self.bob, self.cy = (client(f"{name}-{mark}", node) for node, name in enumerate(("ann", "bob", "cy")))
        members = [f"bob-{mark}", f"cy-{mark}"]
        self.room = self.ann.connection.call("CreateRoom", {"kind": "group", "memberIds": members})["room"]["roomId"]
        until(lambda: all(self.room in each.last for each in self.all()), "the room for all")

    def all(self):
        return self.ann, self.bob, self.cy

    def tearDown(self):
        for each in self.all():
            each.close()

    def bodies(self, each):
        with each.lock:
            return [message["body"] for _, message in sorted(each.messages[self.room].items())]

    def agree(self, count):
        until(lambda: all(len(self.bodies(each)) == count for each in self.all()), f"{count} messages for all")
        page = self.ann.connection.call("GetHistory", {"roomId": self.room, "limit": 200})["messages"]
        for each in self.all():
            self.assertEqual(self.bodies(each), [message["body"] for message in page])
        self.assertEqual([message["seq"] for message in page], sorted({message["seq"] for message in page}))

    def test_a_conversation_of_three_is_the_same_for_all(self):
        def talk(each, name):
            for number in range(10):
                each.send(self.room, f"{name} {number}")

        threads = [threading.Thread(target=talk, args=pair) for pair in zip(self.all(), ("ann", "bob", "cy"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.agree(30)

    def test_edits_deletions_and_reactions_arrive_and_rules_are_told(self):
        seq = self.ann.send(self.room, "one")
        self.ann.connection.call("EditMessage", {"roomId": self.room, "seq": seq, "body": "two"})
        until(lambda: self.bodies(self.bob) == ["two"], "the edit")
        self.bob.connection.call("React", {"roomId": self.room, "seq": seq, "emoji": "👍", "on": True})
        with self.assertRaises(HubError) as refused:
            self.bob.connection.call("EditMessage", {"roomId": self.room, "seq": seq, "body": "mine"})
        self.assertEqual(refused.exception.code, "forbidden")
        self.ann.connection.call("DeleteMessage", {"roomId": self.room, "seq": seq})
        until(lambda: self.bob.messages[self.room][seq]["deleted"], "the tombstone")

    def test_one_client_id_makes_one_message(self):
        request = {"roomId": self.room, "clientId": uuid.uuid4().hex, "body": "once"}
        first = self.ann.connection.call("SendMessage", request)
        again = self.ann.connection.call("SendMessage", request)
        self.assertEqual((again["seq"], again["duplicate"]), (first["seq"], True))
        self.agree(1)

    def test_a_reconnect_brings_what_was_missed(self):
        self.ann.send(self.room, "before")
        until(lambda: len(self.bodies(self.bob)) == 1, "the first message")
        for round in range(3):
            self.bob.close()
            for number in range(5):
                self.ann.send(self.room, f"missed {round} {number}")
            self.bob.base = URLS[round % len(URLS)]
            self.bob.reconnect()
        self.assertEqual(self.bob.truncated, [])
        self.agree(16)

    def test_a_connection_lost_while_sending_loses_and_doubles_nothing(self):
        def cut():
            for _ in range(4):
                self.ann.connection.close()
                self.ann.connection.ended.wait(5)
                until(lambda: not self.ann.connection.ended.is_set(), "another connection")

        cutter = threading.Thread(target=cut)
        cutter.start()
        number = 0
        while cutter.is_alive():
            self.ann.send(self.room, f"{number}")
            number += 1
        self.ann.send(self.room, "last")
        self.agree(number + 1)

    def test_a_hole_that_is_too_large_is_truncated_and_the_newest_page_is_there(self):
        self.bob.last[self.room] = 1
        self.bob.close()
        self.ann.send(self.room, "newest")
        self.bob.reconnect()
        self.assertEqual(self.bob.truncated, [self.room])
        self.assertEqual(self.bodies(self.bob)[-1], "newest")
        self.ann.send(self.room, "and on")
        until(lambda: self.bodies(self.bob)[-1] == "and on", "what follows")

    def test_rooms_joined_and_left_meanwhile_are_told(self):
        self.cy.close()
        members = self.ann.connection.call("GetRoom", {"roomId": self.room})["room"]["members"]
        cy_id = next(member["userId"] for member in members if member["userId"].startswith("cy"))
        self.ann.connection.call("RemoveMember", {"roomId": self.room, "userId": cy_id})
        other = self.ann.connection.call("CreateRoom", {"kind": "direct", "memberIds": [cy_id]})["room"]["roomId"]
        self.cy.reconnect()
        self.assertEqual(set(self.cy.last), {other})

    def test_a_wrong_token_is_refused(self):
        with self.assertRaisesRegex(ConnectionError, "401"):
            Connection(URLS[0], "no-token", lambda *_: None)


if __name__ == "__main__":
    unittest.main()
