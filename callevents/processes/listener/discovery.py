"""Discovers the extensions of a PBX periodically, and stores them as suggestions."""

import time
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import update

from callevents.db.models import Connector, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs.suggestions import (
    BATCH,
    Suggestion,
    delete_unlisted,
    select_suggestions,
    store_listed,
)
from callevents.processes.listener.target import Target
from callevents.processes.listener.timings import Timings
from callevents.vendors.tracking.extension_list import MAX_LISTED
from callevents.vendors.tracking.session import Session

#: Delay after the connection broke during a list: the list may have been the reason.
RETRY_AFTER_BREAK_SECONDS = 600.0

log = structlog.get_logger("callevents.listener")


@dataclass
class Discovered:
    """The list of a PBX, reduced to numbers that look like extensions."""

    listed: list[Suggestion]
    notice: str
    is_whole: bool
    at: datetime
    #: Number stored as suggestions so far.
    stored: int = 0
    is_stored: bool = False


class Discovery:
    """Schedule of list requests and the latest list.

    The reading thread polls; the listener's thread requests, and stores the result.
    """

    def __init__(self, target: Target, timings: Timings) -> None:
        self._target = target
        self._timings = timings
        self._request_at = 0.0
        self._wanted_at = target.list_wanted_at
        #: True until the first list after a login.
        self._is_first = True
        #: The list that is not stored completely yet.
        self.discovered: Discovered | None = None

    def request(self, at: datetime | None) -> None:
        """Request the list soon, unless this request (identified by its time) is known already."""
        if at is not None and at != self._wanted_at:
            self._wanted_at, self._request_at = at, 0.0

    def poll(self, session: Session) -> None:
        """Request the list if it is due; take it over once it is complete."""
        if session.is_ready and time.monotonic() >= self._request_at:
            self._request_at = time.monotonic() + self._timings.request_interval_seconds
            session.request_extensions()
        listing = session.extensions.take()
        if listing is None:
            return
        is_first, self._is_first = self._is_first, False
        if is_first and listing.may_be_early:
            self._request_at = time.monotonic() + self._timings.empty_list_retry_seconds
            return
        suggestions = select_suggestions(
            listing.listed, self._target.extension_pattern, self._target.domain
        )
        notice = session.explain_refusals(listing.refusals) if listing.is_refused else ""
        if listing.left_out:
            notice = (
                f"The PBX lists {listing.left_out:,} more phones than the maximum of "
                f"{MAX_LISTED:,}. Add the others on the page or by command."
            )
        self.discovered = Discovered(suggestions, notice, listing.is_whole, utc_now())

    def on_disconnect(self, session: Session) -> None:
        """Request the list again after the next login."""
        delay = RETRY_AFTER_BREAK_SECONDS if session.extensions.is_waiting else 0.0
        self._request_at, self._is_first = time.monotonic() + delay, True


def store_next_batch(target: Target, discovered: Discovered) -> None:
    """Store the next batch as suggestions, in a short transaction."""
    part = discovered.listed[discovered.stored : discovered.stored + BATCH]
    is_last = discovered.stored + len(part) == len(discovered.listed)
    begin_write()
    store_listed(target.pbx, part, discovered.at)
    if is_last:
        _finish(target, discovered)
    db.session.commit()
    discovered.stored += len(part)
    discovered.is_stored = is_last
    if is_last:
        log.info("extensions discovered", pbx=target.pbx.slug, n=discovered.stored)


def _finish(target: Target, discovered: Discovered) -> None:
    if discovered.is_whole:
        delete_unlisted(target.pbx, discovered.at)
    db.session.execute(
        update(Connector)
        .where(Connector.pbx_id == target.pbx.id, Connector.changed_at == target.changed_at)
        .values(
            listed_at=discovered.at, listed=len(discovered.listed), list_notice=discovered.notice
        )
        .execution_options(synchronize_session=False)
    )
