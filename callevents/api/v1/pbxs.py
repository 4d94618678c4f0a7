"""PBXs: list, add, change, remove."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.models import ListQuery, NoQuery, Page
from callevents.api.v1.operations import Created, operation
from callevents.api.v1.pbx_lookup import lock_pbx_of, read_pbx
from callevents.api.v1.pbx_models import (
    CreatedPbx,
    NewPbx,
    Pbx,
    PbxChanges,
    PbxUsage,
    QuotaUsage,
)
from callevents.api.v1.problems import ProblemType
from callevents.api_access.scopes import ApiScope
from callevents.db import models
from callevents.enums import Format, Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs import data_protection, number_plan, pbxs, quotas, removal
from callevents.vendors.registry import find_vendor

TAG = "PBXs"
LIST = "pbxs"
EXAMPLE = {
    "slug": "head-office",
    "name": "Head office",
    "format": "yeastar",
    "has_format_secret": True,
    "ingest_url": "https://callevents.example.com/ingest/head-office",
    "max_events_per_minute": None,
    "max_open_deliveries": 100000,
    "max_extensions": 250,
    "max_hooks": None,
    "retention_days": 90,
    "hides_numbers": False,
    "country": "RO",
    "outside_prefix": "9",
    "trunk_prefix": "",
    "internal_lengths": [3, 4],
    "created_at": "2026-03-01T09:30:00.000Z",
}


@operation(
    "GET",
    "/pbxs",
    scope=ApiScope.PBXS_READ,
    summary="List PBXs",
    tag=TAG,
    query=ListQuery,
    answer=Page[Pbx],
    answer_example={"data": [EXAMPLE], "next_cursor": None},
)
def list_pbxs(call: Call[ListQuery, None]) -> Page[Pbx]:
    """Return the PBXs that the token's owner sees, newest first.

    A PBX of which the owner sees only single extensions is left out: list its extensions.
    """
    query, scope = call.query, call.principal.scope_of(Right.SEE_PBX)
    found = select(models.Pbx).where(models.Pbx.removing_at.is_(None), scope.of_pbxs())
    if start := find_start(query, LIST):
        found = found.where(models.Pbx.id < int(start))
    newest = found.order_by(models.Pbx.id.desc()).limit(query.limit + 1)
    rows = db.session.scalars(newest).all()
    return make_page(query, LIST, rows, lambda pbx: pbx.id, Pbx.of)


@operation(
    "POST",
    "/pbxs",
    scope=ApiScope.PBXS_WRITE,
    summary="Add a PBX",
    tag=TAG,
    status=201,
    body=NewPbx,
    answer=CreatedPbx,
    problems=frozenset({ProblemType.CONFLICT}),
    body_example={"name": "Head office", "format": "yeastar", "max_extensions": 250},
    answer_example={**EXAMPLE, "ingest_token": "cet_v1s8cF2uS7cJ4bqV0dXk3mZpQyN6rTgAeWhLoIi5uE4"},
)
def create_pbx(call: Call[NoQuery, NewPbx]) -> Created:
    """Add a PBX and return it with its first ingest token, which cannot be read again.

    The slug is made from the name. Only admins of all PBXs may do this.
    """
    call.administer()
    pbx, token = pbxs.add_pbx(call.body.name)
    given = {name: getattr(call.body, name) for name in call.body.model_fields_set - {"name"}}
    _change(pbx, given)
    return Created(CreatedPbx.of(pbx, ingest_token=token), f"/pbxs/{pbx.slug}")


@operation(
    "GET",
    "/pbxs/{slug}",
    scope=ApiScope.PBXS_READ,
    summary="Get a PBX",
    tag=TAG,
    answer=Pbx,
    has_etag=True,
    answer_example=EXAMPLE,
)
def get_pbx(call: Call[NoQuery, None], slug: str) -> Pbx:
    """Return a PBX with its settings. One that is being removed is not found."""
    return Pbx.of(read_pbx(call, slug))


@operation(
    "PATCH",
    "/pbxs/{slug}",
    scope=ApiScope.PBXS_WRITE,
    summary="Change a PBX",
    tag=TAG,
    body=PbxChanges,
    answer=Pbx,
    has_etag=True,
    problems=frozenset({ProblemType.CONFLICT, ProblemType.PRECONDITION_FAILED}),
    body_example={"name": "Head office", "retention_days": 90, "max_extensions": None},
    answer_example={**EXAMPLE, "max_extensions": None},
)
def update_pbx(call: Call[NoQuery, PbxChanges], slug: str) -> Pbx:
    """Change the settings that are in the body. The slug and the ingest URL stay.

    Only admins of all PBXs may change quotas (`max_...`), also if the value stays the same.
    """
    pbx = lock_pbx_of(call, slug, Right.MANAGE)
    call.check_match(Pbx.of(pbx))
    given = call.body.given()
    if given.keys() & quotas.LABELS.keys():
        call.administer()
    _change(pbx, given)
    return Pbx.of(pbx)


@operation(
    "DELETE",
    "/pbxs/{slug}",
    scope=ApiScope.PBXS_WRITE,
    summary="Remove a PBX",
    tag=TAG,
    status=204,
    has_etag=True,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def delete_pbx(call: Call[NoQuery, None], slug: str) -> None:
    """Remove a PBX with all its extensions, requests, tokens, calls and deliveries.

    When this returns, the PBX is not found any more, its reports are rejected and nothing is sent
    for it. Its rows are deleted in the background; until that is done, no other PBX can have its
    name. This cannot be undone. Only admins of all PBXs may do it.
    """
    pbx = lock_pbx_of(call, slug, Right.ADMINISTER)
    call.check_match(Pbx.of(pbx))
    removal.begin_removal(pbx, pbx.slug)


@operation(
    "GET",
    "/pbxs/{slug}/usage",
    scope=ApiScope.PBXS_READ,
    summary="Get the usage of a PBX",
    tag=TAG,
    answer=PbxUsage,
    answer_example={
        "max_events_per_minute": {"used": 12, "limit": None},
        "max_open_deliveries": {"used": 3, "limit": 100000},
        "max_extensions": {"used": 48, "limit": 250},
        "max_hooks": {"used": 96, "limit": None},
        "last_event_at": "2026-03-01T09:30:00.000Z",
    },
)
def get_pbx_usage(call: Call[NoQuery, None], slug: str) -> PbxUsage:
    """Return how much a PBX uses of each of its quotas, and when it last reported an event."""
    pbx = read_pbx(call, slug)
    usage = {one.name: QuotaUsage(used=one.used, limit=one.limit) for one in quotas.load_usage(pbx)}
    return PbxUsage(**usage, last_event_at=pbxs.last_event_times([pbx]).get(pbx.id))


def _change(pbx: models.Pbx, given: Mapping[str, Any]) -> None:
    """Change what is given; None resets it. Raises InvalidError."""
    if "name" in given:
        pbxs.rename_pbx(pbx, given["name"])
    if given.keys() & {"format", "format_secret"}:
        _change_format(pbx, given)
    if given.keys() & {"retention_days", "hides_numbers"}:
        data_protection.set_data_protection(
            pbx,
            retention_days=given.get("retention_days", pbx.retention_days),
            hides_numbers=bool(given.get("hides_numbers", pbx.hides_numbers)),
        )
    if given.keys() & set(number_plan.FIELDS):
        _change_number_plan(pbx, given)
    limits = {name: given[name] for name in quotas.LABELS if name in given}
    if limits:
        quotas.set_quotas(pbx, limits)


def _change_number_plan(pbx: models.Pbx, given: Mapping[str, Any]) -> None:
    current = {name: getattr(pbx, name) for name in number_plan.FIELDS}
    wanted = {**current, "internal_lengths": number_plan.internal_lengths(pbx), **given}
    number_plan.set_number_plan(
        pbx,
        country=wanted["country"] or "",
        outside_prefix=wanted["outside_prefix"] or "",
        trunk_prefix=wanted["trunk_prefix"] or "",
        internal_lengths=number_plan.join_lengths(wanted["internal_lengths"] or ()),
    )


def _change_format(pbx: models.Pbx, given: Mapping[str, Any]) -> None:
    format_ = given.get("format", pbx.format) or Format.GENERIC
    # An empty one disables the check, None keeps the current one.
    secret = (given["format_secret"] or "") if "format_secret" in given else None
    if secret and find_vendor(format_).signature is None:
        raise InvalidError.of(
            "format_secret",
            "Reports in this format have no signature. Choose another format, or set no secret.",
        )
    pbxs.set_format(pbx, format_, secret)
