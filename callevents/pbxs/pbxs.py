"""Use cases on PBXs: list, add, rename, set the report format."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from callevents import audit
from callevents.audit.targets import of_pbx
from callevents.db.models import CallEvent, Pbx, RemovedPbx, new_id
from callevents.enums import Format
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import cipher, db
from callevents.pbxs.tokens import add_token, list_tokens
from callevents.users.rights import EVERYTHING, Scope
from callevents.validation import check_name, check_text, make_slug
from callevents.vendors.registry import find_vendor

MAX_SECRET_LENGTH = 200


def list_pbxs(scope: Scope = EVERYTHING) -> Sequence[Pbx]:
    """Return the PBXs that are in the scope, wholly or in part, by name.

    Those that are being removed are left out.
    """
    in_use = select(Pbx).where(Pbx.removing_at.is_(None), scope.of_pbxs())
    return db.session.scalars(in_use.order_by(func.lower(Pbx.name), Pbx.id)).all()


def find_pbx(slug: str) -> Pbx | None:
    """Return the PBX, also if it is being removed; None without one."""
    # No slug has unprintable characters, and PostgreSQL rejects some of them.
    return db.session.scalar(select(Pbx).where(Pbx.slug == slug)) if slug.isprintable() else None


def get_pbx(slug: str) -> Pbx:
    """Return the PBX; raises NotFoundError, also if it is being removed."""
    pbx = find_pbx(slug)
    if pbx is None:
        raise NotFoundError(f"There is no PBX {slug!r}.")
    check_in_use(pbx)
    return pbx


def check_in_use(pbx: Pbx) -> None:
    """Raise NotFoundError if the PBX is being removed."""
    if pbx.removing_at is not None:
        raise NotFoundError(f"The PBX {pbx.slug!r} is being removed.")


def add_pbx(name: str) -> tuple[Pbx, str]:
    """Add a PBX; return it and its first token, which cannot be read again.

    Raises InvalidError about `name`.
    """
    pbx = create_pbx(name)
    return pbx, add_token(pbx)


def create_pbx(name: str, slug: str | None = None) -> Pbx:
    """Add a PBX without a token; raises InvalidError about `name` or `slug`.

    The slug follows from the name if there is none. One that is given must be valid and free.
    """
    name = check_name(name)
    _check_name_is_free(name)
    if slug is not None and slug != _find_free_slug(slug):
        raise InvalidError.of("slug", f"Another PBX has the short name {slug!r}, or it is invalid.")
    pbx = Pbx(id=_find_free_id(), name=name, slug=slug or _find_free_slug(name))
    db.session.add(pbx)
    db.session.flush()
    audit.record(audit.Action.PBX_ADDED, of_pbx(pbx), after={"name": name, "slug": pbx.slug})
    return pbx


def rename_pbx(pbx: Pbx, name: str) -> None:
    """Rename the PBX; its ingest URL stays the same. Raises InvalidError about `name`."""
    name = check_name(name)
    _check_name_is_free(name, other_than=pbx)
    before, pbx.name = {"name": pbx.name}, name
    audit.record_change(audit.Action.PBX_RENAMED, of_pbx(pbx), before, {"name": name})


def set_format(pbx: Pbx, format_name: str, secret: str | None = None) -> None:
    """Set the PBX's report format and the secret to verify signatures with.

    An empty secret disables the check, None keeps the current one. Raises InvalidError about
    `format` or `format_secret`.
    """
    if format_name not in list(Format):
        names = ", ".join(Format)
        raise InvalidError.of(
            "format", f"Unknown format {format_name[:40]!a}. Use one of: {names}."
        )
    if secret:
        check_text(secret, field="format_secret", max_length=MAX_SECRET_LENGTH)
    before = _format_values(pbx)
    pbx.format = Format(format_name)
    if find_vendor(pbx.format).signature is None:
        secret = ""
    if secret is not None:
        pbx.format_secret = cipher.encrypt(secret) if secret else ""
    action = audit.Action.PBX_FORMAT_CHANGED
    audit.record_change(action, of_pbx(pbx), before, _format_values(pbx))
    invalidate_caches(pbx)


def _format_values(pbx: Pbx) -> dict[str, object]:
    return {"format": pbx.format, "signature_secret": audit.Hidden(pbx.format_secret)}


def find_format_secret(pbx: Pbx) -> str:
    """Return the secret to verify signatures with, empty if signatures are not verified."""
    return cipher.bound.decrypt(pbx.format_secret) if pbx.format_secret else ""


def invalidate_caches(pbx: Pbx) -> None:
    """Make every process reload the PBX, although it has cached a token of it.

    Storing a report checks that the cached token ID still exists, so the tokens get new IDs. Their
    public IDs stay.
    """
    for token in list_tokens(pbx):
        token.id = new_id()


def last_event_times(pbxs: Sequence[Pbx]) -> dict[int, datetime]:
    """Return when each PBX's last event was received, by PBX ID, for PBXs with events."""
    last = (
        select(func.max(CallEvent.received_at))
        .where(CallEvent.pbx_id == Pbx.id)
        .correlate(Pbx)
        .scalar_subquery()
    )
    rows = db.session.execute(select(Pbx.id, last).where(Pbx.id.in_([pbx.id for pbx in pbxs])))
    return {pbx_id: moment for pbx_id, moment in rows if moment is not None}


def _check_name_is_free(name: str, other_than: Pbx | None = None) -> None:
    for pbx in db.session.scalars(select(Pbx).order_by(Pbx.id)):
        if pbx is other_than or pbx.name.casefold() != name.casefold():
            continue
        if pbx.removing_at is not None:
            raise InvalidError.of(
                "name",
                "The PBX with this name is still being removed. Wait until that is done.",
            )
        raise InvalidError.of("name", "Another PBX has this name. Choose a different one.")


def _find_free_id() -> int | None:
    """Return an ID that no PBX has had; None if the database gives one itself."""
    if db.engine.dialect.name != "sqlite":
        return None
    highest = select(func.max(Pbx.id)), select(func.max(RemovedPbx.id))
    return 1 + max(db.session.scalar(one) or 0 for one in highest)


def _find_free_slug(name: str) -> str:
    # Reserved: paths of pages that are not a PBX's.
    return make_slug(name, {*db.session.scalars(select(Pbx.slug)), "new"}, default="pbx")
