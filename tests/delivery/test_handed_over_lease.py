"""The lease of a delivery that was handed over never lasts longer than others think."""

from hypothesis import given
from hypothesis import strategies as st

from callevents.delivery.lease import (
    HANDOVER_LEASE,
    HANDOVER_RENEW_SECONDS,
    HANDOVER_SECONDS,
    MAX_SKEW_SECONDS,
    start_handed_over,
)

SKEWS = st.floats(-MAX_SKEW_SECONDS, MAX_SKEW_SECONDS)
#: In the calculations with floats.
ERROR = 1e-6


@given(age=st.floats(-MAX_SKEW_SECONDS, HANDOVER_SECONDS), ours=SKEWS, theirs=SKEWS)
def test_no_clock_ends_it_earlier(age: float, ours: float, theirs: float) -> None:
    """Whatever three clocks show, nobody else claims before our last attempt and our renewal.

    `ours` and `theirs` are how far the clocks of this worker and of another one are ahead of the
    clock of the web server.
    """
    passed = age - ours
    if passed < 0 or abs(ours - theirs) > MAX_SKEW_SECONDS:
        return
    claimed_by_others = HANDOVER_LEASE.total_seconds() - theirs
    lease = start_handed_over(100.0, age, 30.0)
    assert passed + lease.send_before - 100.0 <= claimed_by_others + ERROR
    # The thread that renews looks twice within this time.
    renewed = passed + lease.renew_at - 100.0 + HANDOVER_RENEW_SECONDS / 2
    assert renewed <= claimed_by_others
    assert lease.send_before > 100.0


def test_shorter_leases() -> None:
    """A renewal may shorten the lease to that of the settings; no attempt begins after that."""
    assert start_handed_over(100.0, 0.0, 2.0).send_before == 102.0
    assert start_handed_over(100.0, 0.0, 30.0).send_before == 106.0
