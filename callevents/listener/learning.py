"""Asks a PBX for its extensions, now and then, and proposes them."""

import time
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import update

from callevents.extensions import begin_write, db
from callevents.listener.target import Target
from callevents.models import Connector, utc_now
from callevents.pbx.listing import MAX_LISTED, Proposal, choose
from callevents.pbx.session import Session
from callevents.proposals import cut, forget_unknown, note_known

#: How often a PBX is asked while it is listened to.
ASK_SECONDS = 3600.0
#: A PBX whose connection broke while it listed is let alone: the list may have been the reason.
REST_SECONDS = 600.0

log = structlog.get_logger("callevents.listener")


@dataclass(frozen=True)
class Learned:
    """What a PBX lists: what looks like extensions."""

    listed: list[Proposal]
    notice: str
    is_whole: bool


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
        self.learned = Learned(found, notice, listing.is_whole)

    def interrupted(self, session: Session) -> None:
        """Ask again after the next log-in."""
        rest = REST_SECONDS if session.extensions.is_waiting else 0.0
        self._ask_at = time.monotonic() + rest


def store(target: Target, learned: Learned) -> None:
    """Propose what was learned, in transactions that hold up nobody; tell how many there are."""
    at = utc_now()
    for part in cut(learned.listed):
        begin_write()
        note_known(target.pbx, part, at)
        db.session.commit()
    begin_write()
    if learned.is_whole:
        forget_unknown(target.pbx, at)
    db.session.execute(
        update(Connector)
        .where(Connector.pbx_id == target.pbx.id, Connector.changed_at == target.changed_at)
        .values(listed_at=at, listed=len(learned.listed), list_notice=learned.notice)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    log.info("the PBX has listed its extensions", pbx=target.pbx.slug, n=len(learned.listed))
