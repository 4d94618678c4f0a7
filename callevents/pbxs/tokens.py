"""Ingest tokens: issue, list, revoke, look up."""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import and_, select

from callevents import audit
from callevents.audit.targets import of_token
from callevents.db.models import IngestToken, Pbx, new_id
from callevents.errors import ConflictError, NotFoundError
from callevents.extensions import db

MAX_TOKENS = 2

TOKEN_PREFIX = "cet_"  # noqa: S105  # a prefix, no secret

HINT_LENGTH = 9


def list_tokens(pbx: Pbx) -> Sequence[IngestToken]:
    """Return the PBX's valid tokens, oldest first."""
    return db.session.scalars(
        select(IngestToken).where(IngestToken.pbx_id == pbx.id).order_by(IngestToken.id)
    ).all()


def get_token(pbx: Pbx, token_id: str) -> IngestToken:
    """Return the PBX's valid token with that id; raises NotFoundError."""
    for token in list_tokens(pbx):
        if token.public_id == token_id:
            return token
    raise NotFoundError("That token is not valid any more.")


def find_token(pbx: Pbx, text: str) -> IngestToken:
    """Return the PBX's valid token with that ID or hint; raises NotFoundError or ConflictError."""
    found = [token for token in list_tokens(pbx) if text in {token.public_id, token.hint}]
    if not found:
        raise NotFoundError(
            f"{pbx.name} has no token {text[:40]!r}. See: flask pbx token list {pbx.slug}"
        )
    if len(found) > 1:
        raise ConflictError(f"Two tokens begin with {text}. Pass the ID of one.")
    return found[0]


def add_token(pbx: Pbx) -> str:
    """Add a token and return its text, which cannot be read again; raises as `issue_token`."""
    return issue_token(pbx)[1]


def issue_token(pbx: Pbx) -> tuple[IngestToken, str]:
    """Add a token; return it and its text, which cannot be read again.

    Raises ConflictError if the PBX has MAX_TOKENS valid tokens.
    """
    # Locked, so that concurrent requests count each other's tokens.
    db.session.execute(select(Pbx.id).where(Pbx.id == pbx.id).with_for_update())
    if len(list_tokens(pbx)) >= MAX_TOKENS:
        raise ConflictError(
            "Two tokens are valid already. Revoke the one no longer used, then create a new one."
        )
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token_id = new_id()
    token = IngestToken(
        id=token_id,
        public_id=token_id,
        pbx_id=pbx.id,
        digest=digest_token(text),
        hint=text[:HINT_LENGTH],
    )
    db.session.add(token)
    db.session.flush()
    audit.record(audit.Action.TOKEN_ADDED, of_token(token))
    return token, text


def revoke_token(pbx: Pbx, token_id: str) -> None:
    """Make a token invalid at once; raises NotFoundError if the PBX has no such token."""
    token = get_token(pbx, token_id)
    db.session.delete(token)
    audit.record(audit.Action.TOKEN_REVOKED, of_token(token))


class LookUp(NamedTuple):
    """The PBX and the token that a request named, None for each that does not exist.

    `token_id`: the one that processes cache.
    """

    pbx_id: int | None
    token_id: str | None


def look_up(slug: str, token: str) -> LookUp:
    """Look up a PBX and its token with one statement, whether or not either exists.

    So the time does not tell which of them a stranger got wrong. By their digests, tokens need no
    comparison in constant time.
    """
    query = (
        select(Pbx.id, IngestToken.id)
        .outerjoin(
            IngestToken,
            and_(IngestToken.pbx_id == Pbx.id, IngestToken.digest == digest_token(token)),
        )
        # No slug has unprintable characters, and PostgreSQL rejects some of them.
        .where(Pbx.slug == (slug if slug.isprintable() else ""), Pbx.removing_at.is_(None))
    )
    row = db.session.execute(query).first()
    return LookUp(*row) if row else LookUp(None, None)


def digest_token(token: str) -> str:
    """Return the SHA-256 of a token, which is stored instead of it."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
