"""Grants of users: parse, describe, replace."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from callevents.db.models import Extension, Grant, Pbx, User
from callevents.enums import Role
from callevents.errors import InvalidError
from callevents.extensions import db

#: A limit against mistakes in scripts.
MAX_GRANTS = 100


@dataclass(frozen=True)
class NewGrant:
    """A role to give: for all PBXs (None), for one, or for one extension."""

    role: Role
    pbx: Pbx | None = None
    extension: Extension | None = None


def set_grants(user: User, wanted: Iterable[NewGrant]) -> None:
    """Replace the grants of the user; raises InvalidError about `roles`."""
    new = list(dict.fromkeys(wanted))
    if not new:
        raise InvalidError.of("roles", "Choose at least one role.")
    if len(new) > MAX_GRANTS:
        raise InvalidError.of("roles", f"A user can have at most {MAX_GRANTS} roles.")
    for one in new:
        check_grant(one)
    user.grants = [
        Grant(
            role=one.role,
            pbx_id=one.pbx.id if one.pbx else None,
            extension_id=one.extension.id if one.extension else None,
        )
        for one in new
    ]
    db.session.flush()


def remove_grants(user: User) -> None:
    """Take all grants from the user, who may then do nothing."""
    user.grants = []
    db.session.flush()


def parse_grant(text: str) -> NewGrant:
    """Return the grant of a text such as `describe_grant` returns; raises InvalidError on `roles`.

    The number of an extension may contain colons.
    """
    role, *scope = text.split(":", 2)
    for part, name in zip(scope, ("a PBX", "an extension"), strict=False):
        if not part:
            raise InvalidError.of("roles", f"Enter {name} after the colon in {text!r}.")
    return find_grant(role, *scope)


def find_grant(role: str, slug: str = "", number: str = "") -> NewGrant:
    """Return the grant for the PBX with this slug, empty for all, and for its extension.

    Raises InvalidError about `roles`.
    """
    if role not in list(Role):
        raise InvalidError.of("roles", f"There is no role {role!r}. Use {', '.join(Role)}.")
    pbx = _find_pbx(slug) if slug else None
    extension = _find_extension(pbx, number) if pbx and number else None
    if number and not extension:
        raise InvalidError.of("roles", "Choose the PBX of the extension.")
    grant = NewGrant(Role(role), pbx, extension)
    check_grant(grant)
    return grant


def check_grant(grant: NewGrant) -> None:
    """Raise InvalidError about `roles` if there is no such role for that scope."""
    if (grant.role is Role.SELF_SERVICE) is not (grant.extension is not None):
        raise InvalidError.of(
            "roles", "The role self-service needs a PBX and an extension. Others take no extension."
        )
    if grant.extension and (grant.pbx is None or grant.extension.pbx_id != grant.pbx.id):
        raise InvalidError.of("roles", "The extension is not one of the PBX.")


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


def describe_grants(user: User) -> list[str]:
    """Return the grants of the user as commands take them."""
    return [describe_grant(grant) for grant in user.grants]


def _find_pbx(slug: str) -> Pbx:
    pbx = db.session.scalar(select(Pbx).where(Pbx.slug == slug)) if slug.isprintable() else None
    if pbx is None:
        raise InvalidError.of("roles", f"There is no PBX {slug!r}.")
    return pbx


def _find_extension(pbx: Pbx, number: str) -> Extension:
    found = select(Extension).where(Extension.pbx_id == pbx.id, Extension.number == number)
    extension = db.session.scalar(found) if number.isprintable() else None
    if extension is None:
        raise InvalidError.of("roles", f"{pbx.name} has no extension {number!r}.")
    return extension
