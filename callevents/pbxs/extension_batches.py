"""Adds many extensions at once, each with its own result."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import select

from callevents import audit
from callevents.audit.targets import of_extension
from callevents.db.locks import lock_pbx
from callevents.db.models import Extension, Pbx, new_id, utc_now
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs.extensions import (
    check_extension_name,
    check_number,
    check_quota,
    count_all,
    delete_seen,
)
from callevents.pbxs.groups import join_groups


class AddStatus(StrEnum):
    """What has become of an extension that was to be added."""

    CREATED = "created"
    EXISTS = "exists"
    INVALID = "invalid"


@dataclass(frozen=True)
class AddResult:
    """The result for one extension. `extension` is None if it is invalid.

    `errors`: as those of InvalidError, about `number` and `name`.
    """

    status: AddStatus
    extension: Extension | None = None
    errors: dict[str, list[str]] = field(default_factory=dict)


def add_batch(
    pbx: Pbx, wanted: Iterable[tuple[str, str]], *, gives_requests: bool = True
) -> list[AddResult]:
    """Add extensions, given as number and name; return their results in the same order.

    `gives_requests`: they get the requests of the templates of groups that they join.

    Valid ones are added even if others are invalid. An extension that exists keeps its name. Those
    that the quota has no room for are invalid.
    """
    lock_pbx(db.session.connection(), pbx.id)
    # Its quota may have changed before the lock.
    db.session.refresh(pbx)
    checked = [_check(number, name) for number, name in wanted]
    batch = _Batch(pbx, {one.number for one in checked if not one.errors})
    results = [batch.add(one) for one in checked]
    batch.store(gives_requests=gives_requests)
    return results


@dataclass(frozen=True)
class _Checked:
    number: str
    name: str
    errors: dict[str, list[str]]


def _check(number: str, name: str) -> _Checked:
    errors: dict[str, list[str]] = {}
    for check, text in ((check_number, number), (check_extension_name, name)):
        try:
            check(text)
        except InvalidError as error:
            errors |= error.errors
    return _Checked(number.strip(), name.strip(), errors)


class _Batch:
    """The extensions of one call. The PBX is locked, so nobody else adds any."""

    def __init__(self, pbx: Pbx, numbers: Iterable[str]) -> None:
        self._pbx = pbx
        self._count = count_all(pbx)
        self._added: list[Extension] = []
        known = select(Extension).where(Extension.pbx_id == pbx.id, Extension.number.in_(numbers))
        self._known = {extension.number: extension for extension in db.session.scalars(known)}

    def add(self, wanted: _Checked) -> AddResult:
        """Add an extension, and return its result."""
        if wanted.errors:
            return AddResult(AddStatus.INVALID, errors=wanted.errors)
        if known := self._known.get(wanted.number):
            return AddResult(AddStatus.EXISTS, known)
        try:
            check_quota(self._pbx, self._count + len(self._added))
        except InvalidError as error:
            return AddResult(AddStatus.INVALID, errors=error.errors)
        extension = Extension(
            id=new_id(),
            pbx_id=self._pbx.id,
            number=wanted.number,
            name=wanted.name,
            created_at=utc_now(),
        )
        self._known[wanted.number] = extension
        self._added.append(extension)
        return AddResult(AddStatus.CREATED, extension)

    def store(self, *, gives_requests: bool) -> None:
        """Store the extensions, and the history of each."""
        db.session.add_all(self._added)
        delete_seen(self._pbx, *(extension.number for extension in self._added))
        db.session.flush()
        join_groups(self._pbx.id, self._added, gives_requests=gives_requests)
        for extension in self._added:
            values = {"number": extension.number, "name": extension.name}
            audit.record(audit.Action.EXTENSION_ADDED, of_extension(extension), after=values)
