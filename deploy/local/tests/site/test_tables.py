"""Queries get the same answers as from the stand-in itself."""

import json
import random
import unittest

import mended  # noqa: F401
import tables
from ministack.services import dynamodb

SCHEMAS = {
    "messages": ("room", "seq", "N"),
    "members": ("pk", "sk", "S"),
}


def create(name):
    pk, sk, kind = SCHEMAS[name]
    answer = dynamodb._create_table(
        {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": pk, "AttributeType": "S"},
                {"AttributeName": sk, "AttributeType": kind},
            ],
            "KeySchema": [{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}],
        }
    )
    assert answer[0] == 200, answer


class Queries(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(7)
        dynamodb.reset()
        for name in SCHEMAS:
            create(name)

    def value(self, kind):
        if kind == "N":
            return {"N": str(self.random.choice([1, -1]) * self.random.randrange(10**17))}
        return {"S": self.random.choice("abé한😀") + self.random.choice(["", "#1", "#2", "z"])}

    def change(self, name):
        pk, sk, kind = SCHEMAS[name]
        key = {pk: {"S": self.random.choice("xy")}, sk: self.value(kind)}
        if self.random.random() < 0.8:
            item = {**key, "body": {"S": "é" * self.random.choice([1, 1000, 40_000])}}
            self.assertEqual(dynamodb._put_item({"TableName": name, "Item": item})[0], 200)
            return
        kept = dynamodb._tables[name]["items"].get(key[pk]["S"], {})
        if kept:
            key[sk] = {kind: self.random.choice(list(kept))}
            self.assertEqual(dynamodb._delete_item({"TableName": name, "Key": key})[0], 200)

    def query(self, name):
        pk, sk, kind = SCHEMAS[name]
        conditions = ["#p = :p", "#p = :p AND #s BETWEEN :a AND :b"]
        if kind == "S":
            conditions.append("#p = :p AND begins_with(#s, :x)")
        condition = self.random.choice(conditions)
        names, values = {"#p": pk}, {":p": {"S": self.random.choice("xyz")}}
        if "#s" in condition:
            names["#s"] = sk
        if ":a" in condition:
            values |= {":a": self.value(kind), ":b": self.value(kind)}
        if ":x" in condition:
            values[":x"] = {"S": self.random.choice(["a", "a#", "b", "é"])}
        data = {
            "TableName": name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": self.random.random() < 0.5,
        }
        if self.random.random() < 0.7:
            data["Limit"] = self.random.choice([1, 3, 50])
        return data

    def same(self, data):
        ours, theirs = (answer(json.loads(json.dumps(data))) for answer in (tables.query, tables.stand_ins_query))
        self.assertEqual((ours[0], json.loads(ours[2])), (theirs[0], json.loads(theirs[2])), data)
        return json.loads(ours[2])

    def test_answers_equal_those_of_the_stand_in(self):
        pages = 0
        for _ in range(250):
            name = self.random.choice(list(SCHEMAS))
            for _ in range(3):
                self.change(name)
            data = self.query(name)
            while start := self.same(data).get("LastEvaluatedKey"):
                data["ExclusiveStartKey"] = start
                pages += 1
        self.assertGreater(pages, 150)

    def test_only_plain_queries_are_answered_here(self):
        plain = {
            "TableName": "members",
            "KeyConditionExpression": "#p = :p",
            "ExpressionAttributeNames": {"#p": "pk"},
            "ExpressionAttributeValues": {":p": {"S": "x"}},
        }
        self.assertIsNotNone(tables.wanted(plain))
        for more in ({"FilterExpression": "a = b"}, {"IndexName": "by"}, {"Select": "COUNT"}):
            self.assertIsNone(tables.wanted({**plain, **more}))


if __name__ == "__main__":
    unittest.main()
