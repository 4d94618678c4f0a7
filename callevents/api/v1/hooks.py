"""Hooks, which are called requests on the pages: list, add, change and remove them."""

from typing import Any

from flask import Response
from sqlalchemy import select

from callevents import audit
from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.headers import removal_answer
from callevents.api.v1.hooks_examples import EXAMPLE, NEW_EXAMPLE
from callevents.api.v1.hooks_models import Hook, HookChanges, HookQuery, HookUrl, NewHook
from callevents.api.v1.hooks_values import choose_url, pointing_at_fields, to_answer, to_data
from callevents.api.v1.models import NoQuery, Page
from callevents.api.v1.operations import REMOVAL_HEADER, Created, operation
from callevents.api.v1.pbx_lookup import find_named_pbx
from callevents.api.v1.problems import ApiError, ProblemType, not_found
from callevents.api.v1.reading import invalid_value
from callevents.api_access.scopes import ApiScope
from callevents.db.locks import lock_pbx
from callevents.db.models import Extension, Pbx, Receiver
from callevents.db.models import Hook as StoredHook
from callevents.db.models.hook import ALL_EXTENSIONS
from callevents.db.session import begin_write
from callevents.delivery.log.filters import check_origin
from callevents.enums import EventType, Right
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.hooks import hooks, listing
from callevents.hooks.history import find_newly_shown, record_shown_urls
from callevents.hooks.receiver import NEEDS_PBX, keeping_receivers, may_see_url
from callevents.jobs.waker import wake
from callevents.pbxs import extensions
from callevents.receivers.receivers import get_receiver, list_receivers

TAG = "Hooks"
LIST_NAME = "hooks"


@operation(
    "GET",
    "/hooks",
    scope=ApiScope.HOOKS_READ,
    summary="List hooks",
    tag=TAG,
    query=HookQuery,
    answer=Page[Hook],
    answer_example={"data": [EXAMPLE], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_hooks(call: Call[HookQuery, None]) -> Page[Hook]:
    """List hooks, newest first. On the pages they are called requests.

    Secrets in URLs are masked. Hooks for all extensions belong to the whole PBX: the owner of a
    single extension does not see them.
    """
    query = call.query
    start = find_start(query, LIST_NAME)
    rows = listing.find_page(
        _read_filter(call),
        scope=call.principal.scope_of(Right.SEE),
        before=int(start) if start else None,
        limit=query.limit + 1,
    )
    with keeping_receivers(rows):
        return make_page(query, LIST_NAME, rows, lambda hook: hook.id, to_answer)


@operation(
    "POST",
    "/hooks",
    scope=ApiScope.HOOKS_WRITE,
    summary="Add a hook",
    tag=TAG,
    status=201,
    body=NewHook,
    answer=Hook,
    has_etag=True,
    body_example=NEW_EXAMPLE,
    answer_example=EXAMPLE,
    problems=frozenset({ProblemType.CONFLICT, ProblemType.NOT_FOUND}),
)
def create_hook(call: Call[NoQuery, NewHook]) -> Created:
    """Add a hook. Fields that you leave out get their defaults.

    An extension, or all extensions together, can have 20 hooks for an event type, and a PBX as many
    as its quota allows; one more is a conflict (409).
    """
    body = call.body
    pbx = find_named_pbx(call, body.pbx, "#/pbx")
    extension = _find_extension(call, pbx, body.extension or ALL_EXTENSIONS, "#/extension")
    if not call.principal.may(Right.EDIT, pbx.id, extension.id if extension else None):
        raise ApiError(ProblemType.FORBIDDEN, "This needs another role for the PBX or extension.")
    data = _choose_receiver(call, to_data(body, choose_url(body.url)), pbx)
    with pointing_at_fields():
        hook = hooks.create_hook(
            pbx,
            extension,
            EventType.from_slug(body.event),
            data,
            scope=call.principal.scope_of(Right.EDIT),
        )
    call.after_commit(wake)
    return Created(to_answer(hook), f"/hooks/{hook.event_id}")


@operation(
    "GET",
    "/hooks/{event_id}",
    scope=ApiScope.HOOKS_READ,
    summary="Get a hook",
    tag=TAG,
    answer=Hook,
    answer_example=EXAMPLE,
    has_etag=True,
)
def get_hook(call: Call[NoQuery, None], event_id: str) -> Hook:
    """Return a hook. Secrets in its URL are masked."""
    return to_answer(find_hook(call, event_id, Right.SEE))


@operation(
    "GET",
    "/hooks/{event_id}/url",
    scope=ApiScope.HOOKS_WRITE,
    summary="Get the whole URL of a hook",
    tag=TAG,
    answer=HookUrl,
    answer_example={"url": "https://crm.example.com/pop?token=s3cret"},
)
def get_hook_url(call: Call[NoQuery, None], event_id: str) -> HookUrl:
    """Return the URL with the secrets in it, to those who may change the hook.

    If there are any, the history records that they were shown, once a day for each token. The
    owner of a single extension cannot see those of a hook of a receiver.
    """
    hook = find_hook(call, event_id, Right.EDIT)
    if not may_see_url(call.principal.scope_of(Right.EDIT), hook):
        raise ApiError(ProblemType.FORBIDDEN, NEEDS_PBX)
    shown = HookUrl(url=hook.url)
    with audit.acting_as(call.principal.as_actor(call.address)):
        if find_newly_shown([hook]):
            begin_write()
            hook = find_hook(call, event_id, Right.EDIT)
            shown = HookUrl(url=hook.url)
            record_shown_urls([hook])
            db.session.commit()
    return shown


@operation(
    "PATCH",
    "/hooks/{event_id}",
    scope=ApiScope.HOOKS_WRITE,
    summary="Change a hook",
    tag=TAG,
    body=HookChanges,
    answer=Hook,
    has_etag=True,
    body_example={"active": False, "note": "Until the CRM is back"},
    answer_example=EXAMPLE | {"active": False, "note": "Until the CRM is back"},
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def update_hook(call: Call[NoQuery, HookChanges], event_id: str) -> Hook:
    """Change the fields that you send. PBX, extension and event type of a hook stay.

    - Deliveries that wait use the new values. Those of a hook that is made inactive are held until
      it is active again.
    - Changing the URL of a hook resumes it if it was suspended; `active` alone does not.
    - Header values and credentials are never returned. A header without a value, and an
      authentication with only its kind, keep what is stored. If the URL points to another origin,
      send them again.
    - A hook of a receiver stays with it, unless you send another `receiver`, or null.
    - The owner of a single extension cannot change what a hook sends to its receiver: only whether
      it is active, its note, `give_up_seconds`, `in_order` and `conditions`. The only `url` that
      the owner can send is the masked one.
    """
    body = call.body
    if "receiver" in body.model_fields_set:
        # In the order of those who change receivers.
        lock_pbx(db.session.connection(), find_hook(call, event_id, Right.EDIT).pbx_id)
    hook = find_hook(call, event_id, Right.EDIT, lock=True)
    call.check_match(to_answer(hook))
    given = body.url if "url" in body.model_fields_set else None
    scope = call.principal.scope_of(Right.EDIT)
    url = choose_url(given, hook, is_hidden=not may_see_url(scope, hook))
    data = _choose_receiver(call, to_data(body, url, hook), hook.pbx, hook)
    with pointing_at_fields():
        hooks.update_hook(hook, data, scope=scope)
    # Deliveries that waited for an earlier one of their call may be due now.
    call.after_commit(wake)
    return to_answer(hook)


@operation(
    "DELETE",
    "/hooks/{event_id}",
    scope=ApiScope.HOOKS_WRITE,
    summary="Remove a hook",
    tag=TAG,
    status=204,
    more_headers=(REMOVAL_HEADER,),
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def delete_hook(call: Call[NoQuery, None], event_id: str) -> Response:
    """Remove a hook. Its deliveries that wait are held, and cancelled after half a minute.

    Until then it can be undone, as on the pages: `flask hooks undo ID`, with the ID from the
    header `Removal-ID`. The hook is back then, with the same Event ID, and its deliveries go on.
    """
    # In the order of those who remove hooks on the pages.
    lock_pbx(db.session.connection(), find_hook(call, event_id, Right.EDIT).pbx_id)
    hook = find_hook(call, event_id, Right.EDIT, lock=True)
    call.check_match(to_answer(hook))
    removed = hooks.clear_hooks([hook])
    call.after_commit(wake)
    return removal_answer(removed)


def find_hook(
    call: Call[Any, Any], event_id: str, right: Right, *, lock: bool = False
) -> StoredHook:
    """Return the hook if the caller has the right for it; `lock` locks it. Raises ApiError."""
    query = (
        select(StoredHook)
        .join(StoredHook.pbx)
        .where(StoredHook.event_id == event_id, Pbx.removing_at.is_(None))
    )
    if lock:
        query = query.with_for_update(of=StoredHook).execution_options(populate_existing=True)
    hook = db.session.scalar(query) if event_id.isprintable() else None
    if hook is None:
        raise not_found("hook")
    call.see("hook", right, hook.pbx_id, hook.extension_id)
    return hook


def _read_filter(call: Call[HookQuery, None]) -> listing.HookFilter:
    query = call.query
    pbx = None if query.pbx is None else find_named_pbx(call, query.pbx, "?pbx")
    extension, is_for_all = None, query.extension == ALL_EXTENSIONS
    if query.extension is not None and not is_for_all:
        if pbx is None:
            raise invalid_value(
                "?extension", "Pass `pbx` too: a number is unique within a PBX only."
            )
        extension = _find_extension(call, pbx, query.extension, "?extension")
    return listing.HookFilter(
        pbx,
        extension,
        is_for_all,
        None if query.event is None else EventType.from_slug(query.event),
        query.active,
        query.suspended,
        None if query.origin is None else _read_origin(query.origin),
        None if query.receiver is None else _find_receiver(call, query.receiver),
    )


def _choose_receiver(
    call: Call[NoQuery, Any], data: hooks.HookData, pbx: Pbx, hook: StoredHook | None = None
) -> hooks.HookData:
    """Return the data with the receiver of the body; raises ApiError if the PBX cannot use it."""
    body = call.body
    if "receiver" not in body.model_fields_set:
        return data
    if body.receiver is None:
        return data.of(None, hook)
    for receiver in list_receivers(call.principal.scope_of(Right.EDIT), pbx):
        if receiver.slug == body.receiver:
            return data.of(receiver, hook)
    raise invalid_value("#/receiver", "There is no such receiver that the PBX could use.")


def _find_receiver(call: Call[HookQuery, None], slug: str) -> Receiver:
    try:
        return get_receiver(slug, call.principal.scope_of(Right.SEE))
    except NotFoundError:
        raise invalid_value("?receiver", "There is no such receiver.") from None


def _read_origin(url: str) -> str:
    try:
        return check_origin(url)
    except InvalidError:
        raise invalid_value("?origin", "Write it like https://crm.example.com.") from None


def _find_extension(call: Call[Any, Any], pbx: Pbx, number: str, pointer: str) -> Extension | None:
    """Return the extension if the caller may see it, None for `*`; raises ApiError."""
    try:
        extension = extensions.get_extension_by_number(pbx, number)
    except NotFoundError:
        extension = None
        is_there = False
    else:
        is_there = extension is None or call.principal.may(Right.SEE, pbx.id, extension.id)
    if not is_there:
        raise invalid_value(pointer, "The PBX has no such extension.")
    return extension
