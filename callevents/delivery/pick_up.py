"""Submits deliveries that are claimed already: handed over by ingest, or the next of their call.

They pass by the dispatcher: nobody has to find and claim them. Those for which there is no slot
are released, and the dispatcher finds them.
"""

import threading
from collections.abc import Callable, Set
from datetime import timedelta

import structlog
from sqlalchemy import Engine as SqlEngine

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import write_transaction
from callevents.delivery.claim import (
    Claim,
    Fences,
    claim_passed_over,
    fences_of,
    release_claims,
)
from callevents.delivery.dispatcher import Dispatcher
from callevents.delivery.fair_share import Ready, allocate_slots
from callevents.delivery.in_flight import InFlight
from callevents.delivery.lease import Lease, start_lease
from callevents.delivery.load_claims import load_sendable
from callevents.delivery.pacing import admit
from callevents.delivery.receiver_limits import ReceiverLimits
from callevents.security.encryption import Cipher

log = structlog.get_logger("callevents.delivery")


class PickUp:
    """Takes claimed deliveries until closed. Thread-safe; raises nothing."""

    def __init__(
        self,
        database: SqlEngine,
        settings: Settings,
        in_flight: InFlight,
        submit: Callable[[int, list[Claim], int], None],
        dispatcher: Dispatcher,
        limits: ReceiverLimits,
    ) -> None:
        """The dispatcher finds what is released, now or when it is due."""
        self._database = database
        self._settings = settings
        self._in_flight = in_flight
        self._submit = submit
        self._dispatcher = dispatcher
        self._limits = limits
        self._cipher = Cipher(settings.read_encryption_keys)
        self._lock = threading.Lock()
        self._is_closed = False

    def take(self, fences: Fences, lease: Lease, admitted: Set[str] = frozenset()) -> None:
        """Submit those that are still claimed with these fences and may be sent.

        `admitted`: the IDs of those for which a moment was reserved at their receiver already.
        """
        # The entry of one that is being attempted may come a second time.
        fences = self._in_flight.without_known(fences)
        with self._lock:
            try:
                if self._is_closed:
                    self._release(fences)
                elif fences:
                    self._take(fences, lease, admitted)
            except Exception as error:  # noqa: BLE001  # the caller's thread must go on
                # Their leases end, and they are due again.
                log.error("could not take claimed deliveries", n=len(fences), error=str(error))

    def close(self) -> None:
        """Release all that is taken from now on."""
        with self._lock:
            self._is_closed = True

    def _take(self, fences: Fences, lease: Lease, reserved: Set[str] = frozenset()) -> None:
        self._limits.refresh()
        loaded = load_sendable(self._database, fences, lease, self._cipher)
        surplus = [claim for claim in loaded.claims if claim.is_breaker_open]
        sendable = [claim for claim in loaded.claims if not claim.is_breaker_open]
        admitted = admit(self._database, sendable, reserved)
        by_origin: dict[int, list[Claim]] = {}
        for claim in admitted.claims:
            by_origin.setdefault(claim.origin_id, []).append(claim)
        surplus += self._submit_all(by_origin)
        if admitted.again_at is not None:
            self._dispatcher.wake_at(admitted.again_at)
        self._release(fences_of(surplus))
        if loaded.deferred:
            self._take_passed_over(loaded.deferred)

    def _take_passed_over(self, deferred: Set[int]) -> None:
        duration = timedelta(seconds=self._settings.lease_seconds)
        lease = start_lease(duration)
        if fences := claim_passed_over(self._database, deferred, utc_now(), duration):
            self._take(fences, lease)

    def _submit_all(self, by_origin: dict[int, list[Claim]]) -> list[Claim]:
        """Submit claims as far as slots are free, or soon will be; return the others."""
        busy = self._in_flight.count_busy()
        free = self._settings.worker_threads - sum(busy.values())
        ready = [Ready(origin_id, is_retry=False) for origin_id in by_origin]
        shares = allocate_slots(
            ready, free, busy, self._settings.origin_in_flight, caps=self._limits.current.caps
        )
        slots = {share.ready.origin_id: share.limit for share in shares}
        surplus = []
        for origin_id, claims in by_origin.items():
            limit = slots.get(origin_id, 0)
            # Where a slot is free soon, waiting for it costs less than a release and a claim.
            count = limit + self._in_flight.ahead_limit(origin_id, limit)
            if count:
                self._submit(origin_id, claims[:count], limit)
            surplus += claims[count:]
        return surplus

    def _release(self, fences: Fences) -> None:
        if fences:
            with write_transaction(self._database) as connection:
                release_claims(connection, fences, utc_now())
            self._dispatcher.wake()
