"""Asks a PBX for its extensions, now and then, and proposes them."""

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
from callevents.vendors.tracking.extension_list import MAX_LISTED
from callevents.vendors.tracking.session import Session

#: How often a PBX is asked while it is listened to.
ASK_SECONDS = 3600.0
#: A PBX whose connection broke while it listed is let alone: the list may have been the reason.
REST_SECONDS = 600.0

log = structlog.get_logger("callevents.listener")


@dataclass
class Discovered:
    """What a PBX lists: what looks like extensions."""

    listed: list[Suggestion]
    notice: str
    is_whole: bool
    at: datetime
    #: How many of them are proposed by now.
    stored: int = 0
    is_stored: bool = False


class Discovery:
    """When to ask, and what came of it; a thread reads, another one wants and takes."""

    def __init__(self, pattern: str, wanted_at: datetime | None) -> None:
        self._pattern = pattern
        self._ask_at = 0.0
        self._wanted_at = wanted_at
        #: What has not been stored yet.
        self.discovered: Discovered | None = None

    def want(self, at: datetime | None) -> None:
        """Ask soon, if this was not wanted before."""
        if at is not None and at != self._wanted_at:
            self._wanted_at, self._ask_at = at, 0.0

    def go_on(self, session: Session) -> None:
        """Ask if it is time to; look whether all has come that was asked for."""
        if session.is_ready and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + ASK_SECONDS
            session.request_extensions()
        listing = session.extensions.take()
        if listing is None:
            return
        found = select_suggestions(listing.listed, self._pattern)
        notice = session.explain_refusal(listing.refusal) if listing.refusal else ""
        if listing.left_out:
            notice = (
                f"The PBX lists {listing.left_out:,} more phones than the {MAX_LISTED:,} that are "
                "looked at. Add the others by hand or by command."
            )
        self.discovered = Discovered(found, notice, listing.is_whole, utc_now())

    def interrupted(self, session: Session) -> None:
        """Ask again after the next log-in."""
        rest = REST_SECONDS if session.extensions.is_waiting else 0.0
        self._ask_at = time.monotonic() + rest


def store_next(target: Target, discovered: Discovered) -> None:
    """Propose the next part of what was learned, in a transaction that holds up nobody."""
    part = discovered.listed[discovered.stored : discovered.stored + BATCH]
    is_last = discovered.stored + len(part) == len(discovered.listed)
    begin_write()
    store_listed(target.pbx, part, discovered.at)
    if is_last:
        _note_end(target, discovered)
    db.session.commit()
    discovered.stored += len(part)
    discovered.is_stored = is_last
    if is_last:
        log.info("the PBX has listed its extensions", pbx=target.pbx.slug, n=discovered.stored)


def _note_end(target: Target, discovered: Discovered) -> None:
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
