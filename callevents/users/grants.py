"""Grants of users: parse, describe, replace."""

from collections.abc import Iterable
from dataclasses import dataclass

from callevents.db.models import Extension, Grant, Pbx, User
from callevents.enums import Role
from callevents.errors import InvalidError
from callevents.extensions import db


@dataclass(frozen=True)
class NewGrant:
    """A role to give: for all PBXs (None), for one, or for one extension."""

    role: Role
    pbx: Pbx | None = None
    extension: Extension | None = None


def set_grants(user: User, wanted: Iterable[NewGrant]) -> None:
    """Replace the grants of the user; raises InvalidError about `roles`."""
    new = list(dict.fromkeys(wanted))
    for one in new:
        _check(one)
    user.grants = [
        Grant(
            role=one.role,
            pbx_id=one.pbx.id if one.pbx else None,
            extension_id=one.extension.id if one.extension else None,
        )
        for one in new
    ]
    db.session.flush()


def describe_grant(grant: Grant) -> str:
    """Return the grant as commands take it: `admin`, `operator:office`, `self-service:office:101`.

    A PBX is named by its slug, an extension by its number.
    """
    parts = [str(grant.role)]
    if grant.pbx:
        parts.append(grant.pbx.slug)
    if grant.extension:
        parts.append(grant.extension.number)
    return ":".join(parts)


def _check(grant: NewGrant) -> None:
    if (grant.role is Role.SELF_SERVICE) is not (grant.extension is not None):
        raise InvalidError.of(
            "roles", "Give the role self-service with a PBX and an extension, others without one."
        )
    if grant.extension and (grant.pbx is None or grant.extension.pbx_id != grant.pbx.id):
        raise InvalidError.of("roles", "The extension is not one of the PBX.")
