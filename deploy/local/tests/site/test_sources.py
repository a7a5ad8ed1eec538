"""The number of batches that a source has in flight."""

import unittest

import mended  # noqa: F401
from ministack.services import lambda_svc


class Concurrency(unittest.TestCase):
    def of(self, source, function=None, is_fifo=True):
        return lambda_svc._sqs_esm_concurrency(source, function or {}, {}, {"is_fifo": is_fifo})

    def test_it_is_set_by_the_template(self):
        self.assertEqual(self.of({"ScalingConfig": {"MaximumConcurrency": 20}}), 20)
        self.assertEqual(self.of({"ScalingConfig": {"MaximumConcurrency": "20"}}, is_fifo=False), 20)
        self.assertEqual(self.of({}), 5)
        self.assertEqual(self.of({"ScalingConfig": {"MaximumConcurrency": 20}}, {"concurrency": 3}), 3)


if __name__ == "__main__":
    unittest.main()
