"""The history: list its entries, and show one."""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from sqlalchemy import select

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.models import Answer, GivenMoment, ListQuery, Moment, NoQuery, Page, optional
from callevents.api.v1.operations import operation
from callevents.api.v1.pbx_lookup import find_named_pbx
from callevents.api.v1.problems import ApiError, ProblemType, not_found
from callevents.api.v1.reading import invalid_value
from callevents.api_access.scopes import ApiScope
from callevents.audit.actions import Action
from callevents.audit.queries import Filter, read_object
from callevents.db.models import AuditEntry as AuditRow
from callevents.db.models import Pbx, to_id
from callevents.enums import Right
from callevents.extensions import db
from callevents.users.rights import Scope

TAG = "History"
LIST = "audit"
MAX_TEXT_LENGTH = 300
#: In front of the ID of a PBX that has been removed, and has no short name any more.
REMOVED_PBX = "#"
MAX_DIGITS = 9
#: The name of an action.
ActionName = Annotated[
    Action, WithJsonSchema({"type": "string", "enum": [one.value for one in Action]})
]


class AuditActor(Answer):
    """Who did it."""

    kind: str = Field(description="`user`, `token`, `app`, `command` or `system`.")
    id: str | None = Field(description="The ID of the user, the token or the app, or the command.")
    name: str = Field(
        description="Of the user, the token or the app, of the operating system's user who ran "
        "the command, or of the process. Empty: nobody was signed in."
    )
    address: str = Field(description="The client's IP address; empty for commands and processes.")


class AuditObject(Answer):
    """What it was done to."""

    kind: str
    id: str = Field(description="Empty if there is only one object of the kind.")
    name: str


class AuditEntry(Answer):
    """An entry of the history."""

    id: str
    at: Moment
    actor: AuditActor
    action: str
    object: AuditObject
    pbx: str | None = Field(
        description="The PBX whose data it is about; one that has been removed as `#` and its "
        "number. null: no single PBX."
    )
    extension_id: str | None = Field(description="The extension whose data it is about.")
    before: dict[str, Any] = Field(description="The old values of what differs; no secrets.")
    after: dict[str, Any] = Field(description="The new values of what differs; no secrets.")


def _text(description: str) -> Any:
    return optional(description, max_length=MAX_TEXT_LENGTH)


class AuditQuery(ListQuery):
    """Which entries to list."""

    who: str | None = _text(
        "The name of the user, the token or the app, of the operating system's user who ran a "
        "command, or of the process."
    )
    pbx: str | None = _text("About this PBX.")
    action: ActionName | None = optional("What was done.")
    object: str | None = _text(
        "A name or an ID, or kind and ID such as `hook:ID`, `extension:ID`, `user:ID`."
    )
    since: GivenMoment | None = optional("From then on.")
    until: GivenMoment | None = optional("Before then.")


EXAMPLE = {
    "id": "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11",
    "at": "2026-03-01T09:30:00.000Z",
    "actor": {
        "kind": "token",
        "id": "01932c07-1f33-7a52-9d8e-6d0f4b1c2a77",
        "name": "CRM import",
        "address": "203.0.113.7",
    },
    "action": "hook.changed",
    "object": {"kind": "hook", "id": "aK3...30 characters", "name": "Hangup of 101"},
    "pbx": "head-office",
    "extension_id": "01932c07-0a11-7d4e-b2c3-5e6f7a8b9c0d",
    "before": {"url": "https://crm.example.com/old"},
    "after": {"url": "https://crm.example.com/new"},
}


@operation(
    "GET",
    "/audit",
    scope=ApiScope.AUDIT_READ,
    summary="List the history",
    tag=TAG,
    query=AuditQuery,
    answer=Page[AuditEntry],
    answer_example={"data": [EXAMPLE], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_audit_entries(call: Call[AuditQuery, None]) -> Page[AuditEntry]:
    """Return what was done, by whom and from where, newest first.

    Admins of all PBXs see everything, admins of single PBXs what was done to these.
    """
    query, scope = call.query, _find_scope(call)
    kind, object_id = read_object(query.object or "")
    wanted = Filter(
        who=query.who or "",
        pbx_id=None if query.pbx is None else _find_pbx_id(call, query.pbx, scope),
        pbx_ids=None if scope.is_all else scope.pbx_ids,
        action=query.action or "",
        object_kind=kind,
        object_id=object_id,
        since=query.since,
        until=query.until,
    )
    rows = wanted.select()
    if start := find_start(query, LIST):
        rows = rows.where(AuditRow.id < start)
    found = db.session.scalars(rows.limit(query.limit + 1)).all()
    slugs = _find_slugs({row.pbx_id for row in found})
    return make_page(query, LIST, found, lambda row: row.id, lambda row: to_answer(row, slugs))


@operation(
    "GET",
    "/audit/{entry_id}",
    scope=ApiScope.AUDIT_READ,
    summary="Get an entry of the history",
    tag=TAG,
    answer=AuditEntry,
    answer_example=EXAMPLE,
    has_etag=True,
)
def get_audit_entry(call: Call[NoQuery, None], entry_id: str) -> AuditEntry:
    """Return an entry of the history."""
    scope, known = _find_scope(call), to_id(entry_id)
    row = db.session.get(AuditRow, known) if known else None
    if row is None or not (scope.is_all or row.pbx_id in scope.pbx_ids):
        raise not_found("entry")
    return to_answer(row, _find_slugs({row.pbx_id}))


def to_answer(row: AuditRow, slugs: dict[int, str]) -> AuditEntry:
    """Return the entry as the API shows it; `slugs`: those of the PBXs by ID."""
    pbx = None
    if row.pbx_id is not None:
        pbx = slugs.get(row.pbx_id, f"{REMOVED_PBX}{row.pbx_id}")
    actor = AuditActor(
        kind=row.actor_kind, id=row.actor_id, name=row.actor_name, address=row.address
    )
    return AuditEntry(
        id=row.id,
        at=row.at,
        actor=actor,
        action=row.action,
        object=AuditObject(kind=row.object_kind, id=row.object_id, name=row.object_name),
        pbx=pbx,
        extension_id=row.extension_id,
        before=row.before,
        after=row.after,
    )


def _find_scope(call: Call[Any, Any]) -> Scope:
    """Return the PBXs whose history the owner sees; raises ApiError with 403 without any."""
    scope = call.principal.scope_of(Right.MANAGE)
    if scope.is_empty:
        raise ApiError(ProblemType.FORBIDDEN, "Only admins see the history.")
    return scope


def _find_pbx_id(call: Call[AuditQuery, None], text: str, scope: Scope) -> int:
    number = text.removeprefix(REMOVED_PBX)
    if text == number:
        pbx_id: int | None = find_named_pbx(call, text, "?pbx").id
    else:
        is_number = number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS
        pbx_id = int(number) if is_number else None
    if pbx_id is None or not scope.has_pbx(pbx_id):
        raise invalid_value("?pbx", "There is no such PBX.")
    return pbx_id


def _find_slugs(pbx_ids: set[int | None]) -> dict[int, str]:
    found = db.session.execute(select(Pbx.id, Pbx.slug).where(Pbx.id.in_(pbx_ids - {None})))
    return {row.id: row.slug for row in found}
