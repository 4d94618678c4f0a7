"""Submits deliveries that are claimed already: handed over by ingest, or the next of their call.

They pass by the dispatcher: nobody has to find and claim them. Those for which there is no thread
are released, and the dispatcher finds them.
"""

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import SQLAlchemyError

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import read_connection, write_transaction
from callevents.delivery.claim import Claim, Fences, Lease, fences_of, release_claims
from callevents.delivery.fair_share import Ready, allocate_threads, find_breakers
from callevents.delivery.in_flight import InFlight
from callevents.delivery.load_claims import load_sendable
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
    ) -> None:
        self._database = database
        self._settings = settings
        self._in_flight = in_flight
        self._submit = submit
        self._cipher = Cipher(settings.read_encryption_keys)
        self._lock = threading.Lock()
        self._is_closed = False

    def take(self, fences: Fences, lease: Lease) -> None:
        """Submit those that are still claimed with these fences and may be sent."""
        # The entry of one that is being attempted may come a second time.
        fences = self._in_flight.without_known(fences)
        with self._lock:
            try:
                if self._is_closed:
                    self._release(fences)
                elif fences:
                    self._take(fences, lease)
            except SQLAlchemyError as error:
                # Their leases end, and they are due again.
                log.error("could not take claimed deliveries", n=len(fences), error=str(error))

    def close(self) -> None:
        """Release all that is taken from now on."""
        with self._lock:
            self._is_closed = True

    def _take(self, fences: Fences, lease: Lease) -> None:
        claims = load_sendable(self._database, fences, lease, self._cipher)
        if not claims:
            return
        by_origin: dict[int, list[Claim]] = {}
        for claim in claims:
            by_origin.setdefault(claim.origin_id, []).append(claim)
        with read_connection(self._database) as connection:
            blocked = find_breakers(connection).keys() & by_origin.keys()
        surplus = [claim for origin_id in blocked for claim in by_origin.pop(origin_id)]
        surplus += self._submit_all(by_origin)
        self._release(fences_of(surplus))

    def _submit_all(self, by_origin: dict[int, list[Claim]]) -> list[Claim]:
        """Submit claims as far as threads are free, or soon will be; return the others."""
        busy = self._in_flight.count_threads()
        free = self._settings.worker_threads - sum(busy.values())
        ready = [Ready(origin_id, is_retry=False) for origin_id in by_origin]
        shares = allocate_threads(ready, free, busy, self._settings.origin_in_flight)
        threads = {share.ready.origin_id: share.limit for share in shares}
        surplus = []
        for origin_id, claims in by_origin.items():
            limit = threads.get(origin_id, 0)
            # Where a thread is free soon, waiting for it costs less than a release and a claim.
            is_soon = (limit or origin_id in busy) and self._in_flight.is_fast(origin_id)
            count = len(claims) if is_soon else limit
            if count:
                self._submit(origin_id, claims[:count], limit)
            surplus += claims[count:]
        return surplus

    def _release(self, fences: Fences) -> None:
        if fences:
            with write_transaction(self._database) as connection:
                release_claims(connection, fences, utc_now())
