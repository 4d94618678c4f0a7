"""The ingest tokens of a PBX: list, create, revoke."""

from typing import Self

from pydantic import Field
from sqlalchemy import select

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.models import Answer, ListQuery, Moment, NoQuery, Page
from callevents.api.v1.operations import Created, operation
from callevents.api.v1.pbx_lookup import lock_pbx_of, read_pbx
from callevents.api.v1.problems import ProblemType
from callevents.api_access.scopes import ApiScope
from callevents.db import models
from callevents.enums import Right
from callevents.extensions import db
from callevents.pbxs import tokens

TAG = "Ingest tokens"
EXAMPLE = {
    "id": "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11",
    "begins_with": "cet_v1s8c",
    "created_at": "2026-03-01T09:30:00.000Z",
    "last_used_at": "2026-03-02T14:05:10.250Z",
    "last_used_address": "192.0.2.20",
}


class IngestToken(Answer):
    """A token that authenticates the reports of a PBX."""

    id: str
    begins_with: str = Field(description="The first characters of the token.")
    created_at: Moment
    last_used_at: Moment | None = Field(
        description="When a report with it was last accepted, up to a minute behind; null: never."
    )
    last_used_address: str = Field(
        description="The IP address that sent that report; empty: not used yet."
    )

    @classmethod
    def of(cls, row: models.IngestToken, **more: str) -> Self:
        """Return the token; `more`: further fields of a derived class."""
        return cls(
            id=row.public_id,
            begins_with=row.hint,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            last_used_address=row.last_used_address,
            **more,
        )


class CreatedIngestToken(IngestToken):
    """A token that was created."""

    token: str = Field(description="The token itself. It cannot be read again.")


@operation(
    "GET",
    "/pbxs/{slug}/ingest-tokens",
    scope=ApiScope.PBXS_READ,
    summary="List ingest tokens",
    tag=TAG,
    query=ListQuery,
    answer=Page[IngestToken],
    answer_example={"data": [EXAMPLE], "next_cursor": None},
)
def list_ingest_tokens(call: Call[ListQuery, None], slug: str) -> Page[IngestToken]:
    """Return the valid ingest tokens of a PBX, newest first. There are at most two."""
    pbx, query = read_pbx(call, slug), call.query
    list_name, key = f"ingest-tokens:{pbx.id}", models.IngestToken.public_id
    found = select(models.IngestToken).where(models.IngestToken.pbx_id == pbx.id)
    if start := find_start(query, list_name):
        found = found.where(key < start)
    rows = db.session.scalars(found.order_by(key.desc()).limit(query.limit + 1)).all()
    return make_page(query, list_name, rows, lambda token: token.public_id, IngestToken.of)


@operation(
    "POST",
    "/pbxs/{slug}/ingest-tokens",
    scope=ApiScope.PBXS_WRITE,
    summary="Create an ingest token",
    tag=TAG,
    status=201,
    answer=CreatedIngestToken,
    problems=frozenset({ProblemType.CONFLICT}),
    answer_example={
        **EXAMPLE,
        "last_used_at": None,
        "last_used_address": "",
        "token": "cet_v1s8cF2uS7cJ4bqV0dXk3mZpQyN6rTgAeWhLoIi5uE4",
    },
)
def create_ingest_token(call: Call[NoQuery, None], slug: str) -> Created:
    """Create an ingest token and return it, only this once.

    A PBX has at most two, so that one can be replaced without losing events: create a new one,
    configure it in the PBX, then revoke the old one. A third is a conflict.
    """
    pbx = lock_pbx_of(call, slug, Right.MANAGE)
    token, text = tokens.issue_token(pbx)
    path = f"/pbxs/{pbx.slug}/ingest-tokens/{token.public_id}"
    return Created(CreatedIngestToken.of(token, token=text), path)


@operation(
    "GET",
    "/pbxs/{slug}/ingest-tokens/{ingest_token_id}",
    scope=ApiScope.PBXS_READ,
    summary="Get an ingest token",
    tag=TAG,
    answer=IngestToken,
    has_etag=True,
    answer_example=EXAMPLE,
)
def get_ingest_token(call: Call[NoQuery, None], slug: str, ingest_token_id: str) -> IngestToken:
    """Return when an ingest token was created and last used, without the token itself."""
    return IngestToken.of(tokens.get_token(read_pbx(call, slug), ingest_token_id))


@operation(
    "DELETE",
    "/pbxs/{slug}/ingest-tokens/{ingest_token_id}",
    scope=ApiScope.PBXS_WRITE,
    summary="Revoke an ingest token",
    tag=TAG,
    status=204,
    has_etag=True,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def delete_ingest_token(call: Call[NoQuery, None], slug: str, ingest_token_id: str) -> None:
    """Revoke an ingest token: reports with it are rejected at once."""
    pbx = lock_pbx_of(call, slug, Right.MANAGE)
    call.check_match(IngestToken.of(tokens.get_token(pbx, ingest_token_id)))
    tokens.revoke_token(pbx, ingest_token_id)
