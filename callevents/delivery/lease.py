"""How long claims last, in SQL and in the process that has them."""

import math
import time
from dataclasses import dataclass
from datetime import timedelta

#: Deliveries that are handed over are picked up within this time or not at all.
HANDOVER_SECONDS = 3.0
#: Their lease is renewed within this time after that.
HANDOVER_RENEW_SECONDS = 1.0
#: The clocks of any two machines may differ by this.
MAX_SKEW_SECONDS = 2.0
#: The lease with which deliveries are handed over. Short, as Redis may lose them.
HANDOVER_LEASE = timedelta(seconds=HANDOVER_SECONDS + HANDOVER_RENEW_SECONDS + 2 * MAX_SKEW_SECONDS)
#: Leases are renewed after this share of their duration.
RENEW_AFTER_SHARE = 1 / 3


@dataclass(frozen=True)
class Lease:
    """Times of a claim's lease, on the monotonic clock of this process."""

    #: The lease has ended by then, so no attempt may begin later.
    send_before: float = math.inf
    #: When it has to be renewed for the first time.
    renew_at: float = math.inf


UNLIMITED = Lease()


def start_lease(duration: timedelta) -> Lease:
    """Return the times of a lease. Call it before the claim: it never ends later than in SQL."""
    now, seconds = time.monotonic(), duration.total_seconds()
    return Lease(now + seconds, now + seconds * RENEW_AFTER_SHARE)


def start_handed_over(now: float, age: float, lease_seconds: float) -> Lease:
    """Return the times of a lease with which a delivery was handed over.

    At `now` on the monotonic clock, `age` seconds after the claim. It is renewed with leases of
    `lease_seconds`, which may be shorter.
    """
    left = HANDOVER_LEASE.total_seconds() - MAX_SKEW_SECONDS - max(age, 0.0)
    return Lease(now + min(left, lease_seconds), now + HANDOVER_RENEW_SECONDS / 2)
