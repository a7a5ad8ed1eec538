"""Patches, and functions that must not be patched; faults."""

import asyncio
import types
import unittest

import faults
import mend


def known():
    return 1


class Mend(unittest.TestCase):
    def test_an_unknown_function_is_not_replaced(self):
        module = types.SimpleNamespace(__name__="module", known=known)
        for name in ("known", "absent"):
            with self.assertRaises(SystemExit):
                mend.replace(module, name, None, "000000000000")
        self.assertIs(mend.replace(module, "known", None, mend.fingerprint(known)), known)
        self.assertIsNone(module.known)


class Faults(unittest.TestCase):
    def test_an_order_is_checked(self):
        held = faults.Faults()
        held.set({"sqs": {"slow": 5}, "dynamodb": {"throttle": 90}})
        self.assertEqual((held.sends_per_second, held.throttled_percent), (5, 90))
        held.set({"sqs": "refuse"})
        self.assertEqual((held.refuses, held.sends_per_second, held.throttled_percent), (True, None, 90))
        held.set({"sqs": "none", "dynamodb": "none"})
        self.assertEqual((held.refuses, held.throttled_percent), (False, 0))
        for wrong in ([], {"s3": "none"}, {"sqs": "melt"}, {"sqs": {"slow": 0}}, {"dynamodb": {"throttle": 101}}):
            with self.assertRaises((ValueError, KeyError, TypeError)):
                held.set(wrong)

    def test_slow_sends_wait_for_their_turn(self):
        async def run():
            held = faults.Faults()
            held.set({"sqs": {"slow": 100}})
            loop = asyncio.get_running_loop()
            started = loop.time()
            went = await asyncio.gather(
                held.wait_turn(5, lambda: False), held.wait_turn(50, lambda: True), held.wait_turn(5, lambda: False)
            )
            return went, loop.time() - started

        went, took = asyncio.run(run())
        self.assertEqual(went, [True, False, True])
        self.assertTrue(0.09 < took < 0.3, took)


if __name__ == "__main__":
    unittest.main()
