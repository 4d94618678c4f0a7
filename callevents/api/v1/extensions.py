"""Extensions: list, add many, rename, delete."""

from collections import Counter
from typing import Any

from flask import Response
from sqlalchemy import Select, select
from sqlalchemy.orm import contains_eager

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.extension_models import (
    AddedExtensions,
    Extension,
    ExtensionChanges,
    ExtensionQuery,
    ExtensionResult,
    NewExtensions,
)
from callevents.api.v1.headers import removal_answer
from callevents.api.v1.models import NoQuery, Page
from callevents.api.v1.operations import REMOVAL_HEADER, operation
from callevents.api.v1.pbx_lookup import find_named_pbx
from callevents.api.v1.problems import ApiError, ProblemType, not_found
from callevents.api_access.scopes import ApiScope
from callevents.db import models
from callevents.db.locks import lock_pbx
from callevents.db.models import to_id
from callevents.enums import Right
from callevents.extensions import db
from callevents.jobs.waker import wake
from callevents.pbxs import extensions, groups
from callevents.pbxs.extension_batches import AddStatus, add_batch

TAG = "Extensions"
LIST = "extensions"
EXAMPLE = {
    "id": "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11",
    "pbx": "head-office",
    "number": "101",
    "name": "Reception",
    "created_at": "2026-03-01T09:30:00.000Z",
}


@operation(
    "GET",
    "/extensions",
    scope=ApiScope.PBXS_READ,
    summary="List extensions",
    tag=TAG,
    query=ExtensionQuery,
    answer=Page[Extension],
    answer_example={"data": [EXAMPLE], "next_cursor": None},
)
def list_extensions(call: Call[ExtensionQuery, None]) -> Page[Extension]:
    """Return the extensions that the token's owner sees, newest first.

    To find the ID of an extension, filter by `pbx` and `number`.
    """
    query, scope = call.query, call.principal.scope_of(Right.SEE)
    found = _select().where(scope.of_extensions())
    if query.pbx is not None:
        pbx = find_named_pbx(call, query.pbx, "?pbx")
        found = found.where(models.Extension.pbx_id == pbx.id)
    if query.number is not None:
        found = found.where(models.Extension.number == query.number)
    if query.group is not None:
        found = found.where(groups.is_member(query.group))
    if start := find_start(query, LIST):
        found = found.where(models.Extension.id < start)
    newest = found.order_by(models.Extension.id.desc()).limit(query.limit + 1)
    rows = db.session.scalars(newest).all()
    return make_page(query, LIST, rows, lambda extension: extension.id, Extension.of)


@operation(
    "POST",
    "/extensions",
    scope=ApiScope.PBXS_WRITE,
    summary="Add extensions",
    tag=TAG,
    body=NewExtensions,
    answer=AddedExtensions,
    problems=frozenset({ProblemType.CONFLICT, ProblemType.NOT_FOUND}),
    body_example={
        "pbx": "head-office",
        "extensions": [{"number": "101", "name": "Reception"}, {"number": "*"}],
    },
    answer_example={
        "created": 1,
        "exists": 0,
        "invalid": 1,
        "results": [
            {"status": "created", "extension": EXAMPLE, "errors": []},
            {
                "status": "invalid",
                "extension": None,
                "errors": [
                    {
                        "pointer": "#/extensions/1/number",
                        "detail": "The number * stands for all extensions.",
                    }
                ],
            },
        ],
    },
)
def create_extensions(call: Call[NoQuery, NewExtensions]) -> AddedExtensions:
    """Add 1 to 1,000 extensions to a PBX, and return a result for each, in the same order.

    Valid extensions are created, even if others are invalid. Extensions that exist already stay as
    they are, so the same request can be sent again. Those for which the quota of the PBX has no
    room are invalid. The status is 200 in all these cases: look at the results.
    """
    body = call.body
    pbx = find_named_pbx(call, body.pbx, "#/pbx")
    if not call.principal.may(Right.EDIT_EXTENSIONS, pbx.id):
        raise ApiError(ProblemType.FORBIDDEN, "This needs another role for the PBX.")
    added = add_batch(pbx, [(one.number, one.name) for one in body.extensions])
    counts = Counter(one.status for one in added)
    return AddedExtensions(
        created=counts[AddStatus.CREATED],
        exists=counts[AddStatus.EXISTS],
        invalid=counts[AddStatus.INVALID],
        results=[ExtensionResult.of(place, one, pbx.slug) for place, one in enumerate(added)],
    )


@operation(
    "GET",
    "/extensions/{extension_id}",
    scope=ApiScope.PBXS_READ,
    summary="Get an extension",
    tag=TAG,
    answer=Extension,
    has_etag=True,
    answer_example=EXAMPLE,
)
def get_extension(call: Call[NoQuery, None], extension_id: str) -> Extension:
    """Return an extension."""
    return Extension.of(_find(call, extension_id, Right.SEE))


@operation(
    "PATCH",
    "/extensions/{extension_id}",
    scope=ApiScope.PBXS_WRITE,
    summary="Rename an extension",
    tag=TAG,
    body=ExtensionChanges,
    answer=Extension,
    has_etag=True,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
    body_example={"name": "Reception"},
    answer_example=EXAMPLE,
)
def update_extension(call: Call[NoQuery, ExtensionChanges], extension_id: str) -> Extension:
    """Change the name of an extension."""
    extension = _lock(call, extension_id)
    call.check_match(Extension.of(extension))
    given = call.body.given()
    if "name" in given:
        extensions.rename_extension(extension, given["name"] or "")
    return Extension.of(extension)


@operation(
    "DELETE",
    "/extensions/{extension_id}",
    scope=ApiScope.PBXS_WRITE,
    summary="Delete an extension",
    tag=TAG,
    status=204,
    has_etag=True,
    more_headers=(REMOVAL_HEADER,),
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def delete_extension(call: Call[NoQuery, None], extension_id: str) -> Response:
    """Delete an extension with its hooks. Deliveries that wait for these are held.

    They are cancelled after half a minute. Until then it can be undone, as that of a hook, with the
    ID from the header `Removal-ID`.
    """
    extension = _lock(call, extension_id)
    call.check_match(Extension.of(extension))
    removed = extensions.delete_extension(extension)
    call.after_commit(wake)
    return removal_answer(removed)


def _select() -> Select[Any]:
    """Return the statement for extensions with their PBXs, without PBXs that are being removed."""
    query = select(models.Extension).join(models.Extension.pbx)
    return query.where(models.Pbx.removing_at.is_(None)).options(
        contains_eager(models.Extension.pbx)
    )


def _find(call: Call[Any, Any], extension_id: str, right: Right) -> models.Extension:
    """Return the extension; raises ApiError."""
    # An invalid ID is None, which is that of no extension.
    found = _select().where(models.Extension.id == to_id(extension_id))
    extension: models.Extension | None = db.session.scalar(found)
    if extension is None:
        raise not_found("extension")
    call.see("extension", right, extension.pbx_id, extension.id)
    return extension


def _lock(call: Call[Any, Any], extension_id: str) -> models.Extension:
    """Return the extension as it is now, locked for a change; raises ApiError."""
    extension = _find(call, extension_id, Right.EDIT_EXTENSIONS)
    # In this order, as everywhere.
    lock_pbx(db.session.connection(), extension.pbx_id)
    same = select(models.Extension).where(models.Extension.id == extension.id)
    now = same.with_for_update().execution_options(populate_existing=True)
    locked = db.session.scalar(now)
    if locked is None:
        raise not_found("extension")
    return locked
