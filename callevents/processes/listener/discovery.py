"""Asks a PBX for its extensions, now and then, and proposes them."""

import time
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import update

from callevents.db.models import Connector, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs.suggestions import BATCH, Proposal, choose, forget_unknown, note_known
from callevents.processes.listener.target import Target
from callevents.vendors.tracking.extension_list import MAX_LISTED
from callevents.vendors.tracking.session import Session

#: How often a PBX is asked while it is listened to.
ASK_SECONDS = 3600.0
#: A PBX whose connection broke while it listed is let alone: the list may have been the reason.
REST_SECONDS = 600.0

log = structlog.get_logger("callevents.listener")


@dataclass
class Learned:
    """What a PBX lists: what looks like extensions."""

    listed: list[Proposal]
    notice: str
    is_whole: bool
    at: datetime
    #: How many of them are proposed by now.
    stored: int = 0
    is_stored: bool = False


class Learning:
    """When to ask, and what came of it; a thread reads, another one wants and takes."""

    def __init__(self, pattern: str, wanted_at: datetime | None) -> None:
        self._pattern = pattern
        self._ask_at = 0.0
        self._wanted_at = wanted_at
        #: What has not been stored yet.
        self.learned: Learned | None = None

    def want(self, at: datetime | None) -> None:
        """Ask soon, if this was not wanted before."""
        if at is not None and at != self._wanted_at:
            self._wanted_at, self._ask_at = at, 0.0

    def go_on(self, session: Session) -> None:
        """Ask if it is time to; look whether all has come that was asked for."""
        if session.is_ready and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + ASK_SECONDS
            session.ask_extensions()
        listing = session.extensions.take()
        if listing is None:
            return
        found = choose(listing.listed, self._pattern)
        notice = session.explain_refusal(listing.refusal) if listing.refusal else ""
        if listing.left_out:
            notice = (
                f"The PBX lists {listing.left_out:,} more phones than the {MAX_LISTED:,} that are "
                "looked at. Add the others by hand or by command."
            )
        self.learned = Learned(found, notice, listing.is_whole, utc_now())

    def interrupted(self, session: Session) -> None:
        """Ask again after the next log-in."""
        rest = REST_SECONDS if session.extensions.is_waiting else 0.0
        self._ask_at = time.monotonic() + rest


def store_next(target: Target, learned: Learned) -> None:
    """Propose the next part of what was learned, in a transaction that holds up nobody."""
    part = learned.listed[learned.stored : learned.stored + BATCH]
    is_last = learned.stored + len(part) == len(learned.listed)
    begin_write()
    note_known(target.pbx, part, learned.at)
    if is_last:
        _note_end(target, learned)
    db.session.commit()
    learned.stored += len(part)
    learned.is_stored = is_last
    if is_last:
        log.info("the PBX has listed its extensions", pbx=target.pbx.slug, n=learned.stored)


def _note_end(target: Target, learned: Learned) -> None:
    if learned.is_whole:
        forget_unknown(target.pbx, learned.at)
    db.session.execute(
        update(Connector)
        .where(Connector.pbx_id == target.pbx.id, Connector.changed_at == target.changed_at)
        .values(listed_at=learned.at, listed=len(learned.listed), list_notice=learned.notice)
        .execution_options(synchronize_session=False)
    )
