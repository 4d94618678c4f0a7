"""Suggested extensions: numbers with calls, and numbers that the PBX lists."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, delete, func, select, update

from callevents import audit
from callevents.audit.targets import of_pbx
from callevents.db.models import Extension, Pbx, SeenExtension
from callevents.db.session import insert_into
from callevents.extensions import db
from callevents.pbxs.extensions import add_extensions, can_be_added
from callevents.security.hidden_numbers import hide_numbers
from callevents.validation import MAX_NAME_LENGTH
from callevents.vendors.tracking.extension_list import Listed
from callevents.vendors.tracking.extension_set import ExtensionSet

#: Matches likely numbers of extensions, for connectors without a pattern; no trunks or outside
#: numbers.
_LIKELY = re.compile(r"\d{1,8}(?:\*\d{1,8})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A suggested number. `full`: the number with its realm."""

    number: str
    full: str
    name: str


MAX_SUGGESTIONS = 50
#: How many of the dismissed numbers the history has.
MAX_RECORDED = 50
#: The maximum of numbers in a statement.
BATCH = 500

T = TypeVar("T")


def list_suggestions(pbx: Pbx) -> Sequence[SeenExtension]:
    """Return the first MAX_SUGGESTIONS numbers: first those with calls, latest first."""
    return db.session.scalars(
        select(SeenExtension)
        .where(*_conditions(pbx))
        .order_by(
            SeenExtension.last_seen_at.is_(None),
            SeenExtension.last_seen_at.desc(),
            func.length(SeenExtension.number),
            SeenExtension.number,
        )
        .limit(MAX_SUGGESTIONS)
    ).all()


def count_suggestions(pbx: Pbx) -> int:
    """Return the number of suggestions."""
    counted = select(func.count()).select_from(SeenExtension).where(*_conditions(pbx))
    return db.session.scalar(counted) or 0


def add_suggestions(
    pbx: Pbx, numbers: Collection[str] | None, may_add: Callable[[str], bool] = bool
) -> list[str]:
    """Add these suggestions, or all if None, as extensions; return the numbers added.

    Numbers that are extensions by now, or that the user may not add, are skipped.
    """
    found: dict[str, str] = {}
    for part in [()] if numbers is None else split_into_batches(_drop_unprintable(numbers)):
        chosen = [SeenExtension.number.in_(part)] if part else []
        named = select(SeenExtension.number, SeenExtension.name)
        found.update(db.session.execute(named.where(*_conditions(pbx), *chosen)).all())
    added: list[str] = []
    for part in split_into_batches(sorted(filter(may_add, found))):
        added += add_extensions(pbx, {number: found[number] for number in part})
    return added


def dismiss_suggestions(pbx: Pbx, numbers: Collection[str]) -> list[str]:
    """Hide these suggestions until the numbers have a call; return the numbers dismissed.

    Numbers that are not suggested are skipped.
    """
    dismissed: list[str] = []
    for part in split_into_batches(_drop_unprintable(numbers)):
        chosen = (*_conditions(pbx), SeenExtension.number.in_(part))
        # Listed numbers stay, marked as dismissed: the PBX lists them again within the hour.
        unlisted = delete(SeenExtension).where(*chosen, SeenExtension.listed_at.is_(None))
        dismissed += db.session.scalars(unlisted.returning(SeenExtension.number))
        listed = update(SeenExtension).where(*chosen).values(dismissed=True, last_seen_at=None)
        dismissed += db.session.scalars(listed.returning(SeenExtension.number))
    if dismissed:
        dismissed.sort()
        # The history outlives the calls, and erasing a number does not change it.
        shown = [hide_numbers(number) for number in dismissed[:MAX_RECORDED]]
        after = {"count": len(dismissed), "numbers": shown}
        audit.record(audit.Action.SUGGESTION_DISMISSED, of_pbx(pbx), after=after)
    return dismissed


def store_listed(pbx: Pbx, listed: Collection[Suggestion], at: datetime) -> None:
    """Store the listed numbers, except those that are extensions with or without realm."""
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
        # In the order in which other transactions write them, to avoid deadlocks.
        for one in sorted(listed, key=lambda one: one.number)
        if can_be_added(one.number) and taken.isdisjoint((one.number, one.full))
    ]
    if rows:
        db.session.connection().execute(_build_upsert(), rows)


def delete_unlisted(pbx: Pbx, at: datetime) -> None:
    """Delete numbers not listed since `at`; those with a call or dismissed stay."""
    gone = (SeenExtension.pbx_id == pbx.id, SeenExtension.listed_at < at)
    had_call = SeenExtension.last_seen_at.is_not(None)
    db.session.execute(
        delete(SeenExtension).where(*gone, ~had_call, SeenExtension.dismissed.is_(False))
    )
    db.session.execute(update(SeenExtension).where(*gone, had_call).values(listed_at=None))


def split_into_batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the values in batches for one statement each."""
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _conditions(pbx: Pbx) -> tuple[ColumnElement[bool], ...]:
    return SeenExtension.pbx_id == pbx.id, SeenExtension.dismissed.is_(False)


def _drop_unprintable(numbers: Collection[str]) -> list[str]:
    """Return the printable numbers: no others are stored, and PostgreSQL rejects NUL."""
    return [number for number in numbers if number.isprintable()]


def _build_upsert() -> Any:
    statement = insert_into(SeenExtension)
    return statement.on_conflict_do_update(
        index_elements=["pbx_id", "number"],
        set_={name: statement.excluded[name] for name in ("name", "listed_at")},
    )


def select_suggestions(
    listed: Iterable[Listed], pattern: str, domain: str = ""
) -> list[Suggestion]:
    """Return the likely extensions: those that match the pattern, or else numeric ones.

    A number that exists in several realms is suggested with its realm. With a domain, only its
    numbers are suggested.
    """
    fitting = ExtensionSet(pattern=pattern, domain=domain)
    listed = [one for one in listed if fitting.is_in_domain(one.realm)]
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
