"""Use cases on PBXs and the tokens with which they report."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from callevents.db.models import CallEvent, Pbx, new_id
from callevents.enums import Format
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import cipher, db
from callevents.pbxs.tokens import add_token, list_tokens
from callevents.validation import check_name, check_text
from callevents.vendors.registry import find_vendor

MAX_SLUG_LENGTH = 48
MAX_SECRET_LENGTH = 200


def list_pbxs() -> Sequence[Pbx]:
    """Return all PBXs, by name."""
    return db.session.scalars(select(Pbx).order_by(func.lower(Pbx.name), Pbx.id)).all()


def get_pbx(slug: str) -> Pbx:
    """Return the PBX; raises NotFoundError."""
    # What is not printable is nobody's, and some of it PostgreSQL would not even look up.
    pbx = db.session.scalar(select(Pbx).where(Pbx.slug == slug)) if slug.isprintable() else None
    if pbx is None:
        raise NotFoundError(f"There is no PBX {slug!r}.")
    return pbx


def add_pbx(name: str) -> tuple[Pbx, str]:
    """Add a PBX; return it and its first token, which cannot be read again later.

    Raises InvalidError about `name`.
    """
    name = check_name(name)
    _refuse_taken(name)
    pbx = Pbx(name=name, slug=_free_slug(name))
    db.session.add(pbx)
    db.session.flush()
    return pbx, add_token(pbx)


def rename_pbx(pbx: Pbx, name: str) -> None:
    """Change the PBX's name; its address for reports stays. Raises InvalidError about `name`."""
    name = check_name(name)
    _refuse_taken(name, other_than=pbx)
    pbx.name = name


def set_format(pbx: Pbx, format_name: str, secret: str | None = None) -> None:
    """Change how the PBX's reports are read, and with what they must be signed.

    An empty secret has nothing checked, None leaves it as it is. Raises InvalidError about `format`
    or `format_secret`.
    """
    if format_name not in list(Format):
        names = ", ".join(Format)
        raise InvalidError.of("format", f"{format_name[:40]!a} is no format. There are: {names}.")
    if secret:
        check_text(secret, field="format_secret", longest=MAX_SECRET_LENGTH)
    pbx.format = Format(format_name)
    if find_vendor(pbx.format).signature is None:
        secret = ""
    if secret is not None:
        pbx.format_secret = cipher.encrypt(secret) if secret else ""
    _tell_all(pbx)


def find_format_secret(pbx: Pbx) -> str:
    """Return what the PBX's reports are signed with, empty if nothing is to be checked."""
    return cipher.bound.decrypt(pbx.format_secret) if pbx.format_secret else ""


def _tell_all(pbx: Pbx) -> None:
    """Have every process ask for the PBX again, though it remembers a token of it.

    Whoever stores a report asks whether the token that it remembers is still there. So the same
    tokens get other ids.
    """
    for token in list_tokens(pbx):
        token.id = new_id()


def last_event_times(pbxs: Sequence[Pbx]) -> dict[int, datetime]:
    """Return when each PBX's last event was received, by the PBX's id; silent ones are left out."""
    last = (
        select(func.max(CallEvent.received_at))
        .where(CallEvent.pbx_id == Pbx.id)
        .correlate(Pbx)
        .scalar_subquery()
    )
    rows = db.session.execute(select(Pbx.id, last).where(Pbx.id.in_([pbx.id for pbx in pbxs])))
    return {pbx_id: moment for pbx_id, moment in rows if moment is not None}


def _refuse_taken(name: str, other_than: Pbx | None = None) -> None:
    for pbx in list_pbxs():
        if pbx is not other_than and pbx.name.casefold() == name.casefold():
            raise InvalidError.of("name", f"There is a PBX named {pbx.name!r} already.")


def _free_slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG_LENGTH].strip("-") or "pbx"
    taken = set(db.session.scalars(select(Pbx.slug).where(Pbx.slug.startswith(slug))))
    # Addresses of pages that are not a PBX's must stay free.
    taken |= {"new"}
    candidate, number = slug, 2
    while candidate in taken:
        candidate, number = f"{slug}-{number}", number + 1
    return candidate
