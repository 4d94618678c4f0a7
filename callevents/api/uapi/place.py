"""The extension that a URL names, as the caller may see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import ColumnElement, func, or_, select

from callevents.api.outer_origin import outer_origin
from callevents.api.uapi.errors import UapiError, access_denied
from callevents.api_access.principal import Principal
from callevents.db.locks import lock_pbx
from callevents.db.models import MAX_NUMBER_LENGTH, Extension, Hook, Pbx, User
from callevents.enums import Right
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.hooks.receiver import may_see_url
from callevents.users.rights import Scope

#: VoipNow's own client writes them without @ too.
SELF = frozenset({"me", "viewer", "owner"})
#: Longer numbers are no IDs of users.
MAX_ID_LENGTH = 9


@dataclass(frozen=True)
class Place:
    """An extension, and what the caller may do there."""

    extension: Extension
    may_edit: bool
    #: The absolute URL of its events.
    url: str
    #: Everything that the caller may edit.
    scope: Scope

    def shows_url(self, hook: Hook) -> bool:
        """Return True if the caller sees the secrets in the hook's URL."""
        return self.may_edit and may_see_url(self.scope, hook)


def find_place(principal: Principal, user: str, number: str) -> Place:
    """Return the extension for reading; raises UapiError.

    One that the user of the token may not see does not exist.
    """
    user = _check_user(principal, user)
    extension = _find_extension(principal, number)
    parts = "uapi", "extensions", user, extension.number, "phoneCallEvents"
    url = "/".join([outer_origin(), *(quote(part, safe="@*") for part in parts)])
    may_edit = principal.may(Right.EDIT, extension.pbx_id, extension.id)
    return Place(extension, may_edit, url, principal.scope_of(Right.EDIT))


def lock_place(principal: Principal, user: str, number: str) -> Place:
    """Return the extension for a change, its PBX locked; raises UapiError."""
    place = find_place(principal, user, number)
    if not place.may_edit:
        raise access_denied("The user of the token may see this extension, and not change it.")
    try:
        lock_pbx(db.session.connection(), place.extension.pbx_id)
    except NotFoundError:
        raise _no_extension() from None
    # It may have been removed before the lock.
    there = select(Extension.id).where(Extension.id == place.extension.id)
    if db.session.scalar(there) is None:
        raise _no_extension()
    return place


def _check_user(principal: Principal, text: str) -> str:
    """Return the user as links name it; raises UapiError."""
    name = text.removeprefix("@")
    if name in SELF:
        return f"@{name}"
    if text == str(principal.user.id):
        return text
    # Only admins of all PBXs see other users.
    if principal.may(Right.ADMINISTER) and _is_user(text):
        return text
    raise UapiError("user_invalid", "There is no such user. Use @me.")


def _is_user(text: str) -> bool:
    if len(text) > MAX_ID_LENGTH or not (text.isascii() and text.isdecimal()) or text[0] == "0":
        return False
    return db.session.get(User, int(text)) is not None


def _find_extension(principal: Principal, number: str) -> Extension:
    """Return the one with this number, else the only one that has the same part after the star."""
    if not 0 < len(number) <= 2 * MAX_NUMBER_LENGTH or not number.isprintable():
        raise _no_extension()
    found = _select(principal, Extension.number == number)
    if not found:
        _, star, short = number.rpartition("*")
        alike = [_ends_with(f"*{number}")]
        if star and short:
            alike.append(Extension.number == short)
        found = _select(principal, or_(*alike))
    if len(found) > 1:
        raise UapiError(
            "extension_invalid",
            "Several extensions have this number. Use the extended number, such as 0003*210, or "
            "an app for one PBX.",
        )
    if not found:
        raise _no_extension()
    return found[0]


def _select(principal: Principal, condition: ColumnElement[bool]) -> Sequence[Extension]:
    """Return up to two extensions that the user may see."""
    visible = principal.scope_of(Right.SEE).of_extensions()
    query = select(Extension).join(Extension.pbx).where(Pbx.removing_at.is_(None), visible)
    return db.session.scalars(query.where(condition).limit(2)).all()


def _ends_with(end: str) -> ColumnElement[bool]:
    """Return the condition for numbers that end so; LIKE would ignore case on SQLite."""
    start = func.length(Extension.number) - len(end) + 1
    return func.substr(Extension.number, start) == end


def _no_extension() -> UapiError:
    return UapiError("extension_invalid", "There is no such extension.")
