"""Use cases on numbers that are no extensions yet: those that had calls, or that a PBX lists."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, delete, func, select, update

from callevents.db.models import Extension, Pbx, SeenExtension
from callevents.db.session import insert_into
from callevents.extensions import db
from callevents.pbxs.extensions import add_extensions, can_be_added
from callevents.validation import MAX_NAME_LENGTH
from callevents.vendors.tracking.extension_list import Listed
from callevents.vendors.tracking.extension_set import ExtensionSet

#: What is an extension's number where there is no pattern; not a trunk's, nor an outside number.
_LIKELY = re.compile(r"\d{1,8}(?:\*\d{1,8})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A number to propose. `full`: the same one with its realm."""

    number: str
    full: str
    name: str


#: So many are shown at once.
MAX_SUGGESTIONS = 50
#: Numbers in one statement.
BATCH = 500

T = TypeVar("T")


def list_suggestions(pbx: Pbx) -> Sequence[SeenExtension]:
    """Return the first of the numbers: those that had calls, the latest first, then the others."""
    return db.session.scalars(
        select(SeenExtension)
        .where(*_suggested(pbx))
        .order_by(
            SeenExtension.last_seen_at.is_(None),
            SeenExtension.last_seen_at.desc(),
            func.length(SeenExtension.number),
            SeenExtension.number,
        )
        .limit(MAX_SUGGESTIONS)
    ).all()


def count_suggestions(pbx: Pbx) -> int:
    """Return how many numbers are proposed."""
    counted = select(func.count()).select_from(SeenExtension).where(*_suggested(pbx))
    return db.session.scalar(counted) or 0


def add_suggestions(pbx: Pbx, numbers: Collection[str] | None) -> list[str]:
    """Add these of the proposed numbers, or all for None, as extensions; return those added.

    A number that is an extension by now is passed over.
    """
    found: dict[str, str] = {}
    for part in [()] if numbers is None else cut(_usable(numbers)):
        chosen = [SeenExtension.number.in_(part)] if part else []
        named = select(SeenExtension.number, SeenExtension.name)
        found.update(db.session.execute(named.where(*_suggested(pbx), *chosen)).all())
    added: list[str] = []
    for part in cut(sorted(found)):
        added += add_extensions(pbx, {number: found[number] for number in part})
    return added


def dismiss_suggestions(pbx: Pbx, numbers: Collection[str]) -> None:
    """Propose these numbers no more until they have a call."""
    for part in cut(_usable(numbers)):
        chosen = (SeenExtension.pbx_id == pbx.id, SeenExtension.number.in_(part))
        # The PBX lists the others again within the hour.
        db.session.execute(delete(SeenExtension).where(*chosen, SeenExtension.listed_at.is_(None)))
        db.session.execute(
            update(SeenExtension).where(*chosen).values(dismissed=True, last_seen_at=None)
        )


def note_listed(pbx: Pbx, listed: Collection[Suggestion], at: datetime) -> None:
    """Propose numbers that the PBX lists, unless they are extensions, with or without realm."""
    both = {number for one in listed for number in (one.number, one.full)}
    added = select(Extension.number).where(Extension.pbx_id == pbx.id, Extension.number.in_(both))
    taken = set(db.session.scalars(added))
    rows = [
        {
            "pbx_id": pbx.id,
            "number": one.number,
            "name": one.name[:MAX_NAME_LENGTH],
            "listed_at": at,
        }
        # In the order in which others write them too, so that nobody waits for each other.
        for one in sorted(listed, key=lambda one: one.number)
        if can_be_added(one.number) and taken.isdisjoint((one.number, one.full))
    ]
    if rows:
        db.session.connection().execute(_known_insert(), rows)


def forget_unlisted(pbx: Pbx, at: datetime) -> None:
    """Forget what the PBX has not listed since then; what had a call or was dismissed stays."""
    gone = (SeenExtension.pbx_id == pbx.id, SeenExtension.listed_at < at)
    had_call = SeenExtension.last_seen_at.is_not(None)
    db.session.execute(
        delete(SeenExtension).where(*gone, ~had_call, SeenExtension.dismissed.is_(False))
    )
    db.session.execute(update(SeenExtension).where(*gone, had_call).values(listed_at=None))


def cut(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Give the values in parts of which each goes into one statement."""
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _suggested(pbx: Pbx) -> tuple[ColumnElement[bool], ...]:
    return SeenExtension.pbx_id == pbx.id, SeenExtension.dismissed.is_(False)


def _usable(numbers: Collection[str]) -> list[str]:
    """Return the numbers without what can be none: NUL is nothing that PostgreSQL looks for."""
    return [number for number in numbers if number.isprintable()]


def _known_insert() -> Any:
    statement = insert_into(SeenExtension)
    return statement.on_conflict_do_update(
        index_elements=["pbx_id", "number"],
        set_={name: statement.excluded[name] for name in ("name", "listed_at")},
    )


def choose(listed: Iterable[Listed], pattern: str) -> list[Suggestion]:
    """Return what looks like extensions: what the pattern fits, or numbers where there is none.

    A number that several realms have is proposed with its realm.
    """
    listed = list(listed)
    fitting = ExtensionSet(pattern=pattern)
    realms = Counter(one.number for one in listed)
    found: dict[str, Suggestion] = {}
    for one in listed:
        usual = one.full if realms[one.number] > 1 else one.number
        if pattern:
            number = next((n for n in (one.number, one.full) if n in fitting), "")
        else:
            number = usual if _LIKELY.fullmatch(one.number) else ""
        if number:
            found.setdefault(number, Suggestion(number, one.full, one.name))
    return list(found.values())
