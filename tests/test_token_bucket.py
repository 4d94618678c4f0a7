"""The token bucket: a burst, then a steady rate."""

from callevents.token_bucket import TokenBucket
from tests.support.clock import Clock


def test_burst_and_rate() -> None:
    """A burst is allowed at once, then a few per second; a pause fills the bucket, not more."""
    clock = Clock()
    bucket = TokenBucket(burst=3, per_second=2, clock=clock)
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
    clock.now = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.now = 1.25
    assert [bucket.take() for _ in range(2)] == [True, False], "one and a half were gained"
    clock.now = 1.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.now = 1000.0
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
