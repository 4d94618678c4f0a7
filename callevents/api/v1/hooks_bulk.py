"""Changes of many hooks at once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flask import request

from callevents.api.v1.call import Call
from callevents.api.v1.hooks import TAG
from callevents.api.v1.hooks_bulk_models import (
    MAX_EVENT_IDS,
    MAX_EXTENSIONS,
    BulkActionName,
    ChangedHook,
    HookBulkChange,
    HookBulkResult,
    LeftOutHooks,
    UndoneChange,
)
from callevents.api.v1.models import NoQuery
from callevents.api.v1.operations import operation
from callevents.api.v1.pbx_lookup import find_named_pbx
from callevents.api.v1.problems import ApiError, ProblemType, not_found
from callevents.api.v1.reading import invalid, invalid_value, invalid_values
from callevents.api.v1.sent import texts_of
from callevents.api_access.scopes import ApiScope
from callevents.conditions.document import read_conditions
from callevents.db.models import Pbx, to_id
from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.hooks.bulk import apply as bulk
from callevents.hooks.bulk.apply import SelectionChangedError
from callevents.hooks.bulk.changes import MoveToReceiver, ReplaceUrl, SetActive, SetPolicy
from callevents.hooks.bulk.clear import Clear
from callevents.hooks.bulk.conditions import SetConditions
from callevents.hooks.bulk.copy import CopyTo
from callevents.hooks.bulk.steps import MAX_EXAMPLES, Change, Plan
from callevents.hooks.bulk.undo import undo
from callevents.hooks.selection import Selection, find_receivers_for
from callevents.hooks.where import read_where
from callevents.jobs.waker import wake
from callevents.pbxs.extension_numbers import find_by_numbers

MAX_LISTED = 100
CHANGED = "The hooks are not those of the dry run any more. Nothing was changed. Run it again."


@operation(
    "POST",
    "/hooks/bulk",
    scope=ApiScope.HOOKS_WRITE,
    summary="Change many hooks",
    tag=TAG,
    body=HookBulkChange,
    answer=HookBulkResult,
    body_example={
        "action": "replace_url",
        "where": {"host": "crm-old.example.com", "pbx": "head-office"},
        "find": "crm-old.example.com",
        "replacement": "crm.example.com",
        "dry_run": True,
    },
    answer_example={
        "dry_run": True,
        "changed": 1,
        "unchanged": 0,
        "left_out": [],
        "examples": [
            {
                "event_id": "q3XbWn7TtC0vJ8mYzK5pLrD2sHfGa1",
                "before": "https://crm-old.example.com/pop",
                "after": "https://crm.example.com/pop",
            }
        ],
        "digest": "5d0c4f7b9a1e42c38b6f70d2e95a1c34",
        "change_id": None,
    },
    problems=frozenset({ProblemType.CONFLICT}),
)
def change_hooks(call: Call[NoQuery, HookBulkChange]) -> HookBulkResult:
    """Change all hooks that match, or those with the given Event IDs, in one transaction.

    Only hooks for which the token's owner has the role are chosen, at most 5,000. The history has
    one entry for each PBX. Do a dry run first, and pass its `digest`: then exactly what
    it returned is changed, or nothing.

    - Hooks whose URL would be invalid are left out.
    - The owner of a single extension can neither move hooks to a receiver, nor copy those that have
      one or change their URLs.
    - `clear` can be undone for half a minute, everything else for half an hour.
    """
    selection = _read_selection(call)
    hooks = selection.load()
    change = _read_change(call, hooks)
    plan = _pointed(lambda: Plan.make(change, hooks))
    if call.body.digest is not None and call.body.digest != plan.digest:
        raise ApiError(ProblemType.CONFLICT, CHANGED)
    if call.body.dry_run:
        return _to_answer(plan, None, dry_run=True)
    previewed = bulk.Previewed.of(plan)
    try:
        done = bulk.apply(selection, change, previewed)
    except SelectionChangedError:
        raise ApiError(ProblemType.CONFLICT, CHANGED) from None
    call.after_commit(wake)
    return _to_answer(plan, done.id or None, dry_run=False)


@operation(
    "POST",
    "/hooks/bulk/{change_id}/undo",
    scope=ApiScope.HOOKS_WRITE,
    summary="Undo a change of many hooks",
    tag=TAG,
    answer=UndoneChange,
    answer_example={"undone": 59, "left_out": 1, "refused": 0},
    problems=frozenset({ProblemType.CONFLICT}),
)
def undo_hook_changes(call: Call[NoQuery, None], change_id: str) -> UndoneChange:
    """Restore the values that the hooks had before the change, and remove hooks that it added.

    It also undoes `connect` of a receiver. Hooks that were changed since stay as they are. 409 if
    all of them were, if the change was undone already, or if the time to undo it is over. The owner
    of a single extension cannot undo changes of the requests that hooks send to a receiver: these
    hooks are `refused`, and 409 if there are no others. Nor can it undo a `clear` of such hooks
    that others made.
    """
    if to_id(change_id) is None:
        raise not_found("change")
    undone = undo(change_id, call.principal.scope_of(Right.EDIT))
    call.after_commit(wake)
    return UndoneChange(undone=undone.hooks, left_out=undone.left_out, refused=undone.refused)


def _read_selection(call: Call[NoQuery, HookBulkChange]) -> Selection:
    """Return the hooks that the body chooses; raises ApiError."""
    body, scope = call.body, call.principal.scope_of(Right.EDIT)
    choice = body.where.model_dump(exclude_none=True) if body.where else {}
    if bool(choice) == bool(body.event_ids):
        raise invalid("Choose the hooks: by at least one value in `where`, or by `event_ids`.")
    pbx = find_named_pbx(call, choice["pbx"], "#/where/pbx") if "pbx" in choice else None
    if scope.is_empty or (pbx and not scope.touches(pbx.id)):
        raise ApiError(ProblemType.FORBIDDEN, "This needs another role.")
    if body.event_ids:
        if len(body.event_ids) > MAX_EVENT_IDS:
            raise invalid_value("#/event_ids", f"At most {MAX_EVENT_IDS:,}.")
        return Selection(scope=scope, event_ids=frozenset(body.event_ids))
    texts = {name: str(value) for name, value in choice.items()}
    where = _pointed(lambda: read_where(texts, scope, lambda _slug: _require(pbx)), "#/where/")
    return Selection(where, scope)


def _require(pbx: Pbx | None) -> Pbx:
    if pbx is None:
        raise invalid_value("#/where/pbx", "There is no such PBX.")
    return pbx


def _read_change(call: Call[NoQuery, HookBulkChange], hooks: Any) -> Change:
    """Return what to do; raises ApiError."""
    body = call.body
    makers: Mapping[BulkActionName, Callable[[], Change]] = {
        BulkActionName.ENABLE: lambda: SetActive(active=True),
        BulkActionName.DISABLE: lambda: SetActive(active=False),
        BulkActionName.REPLACE_URL: lambda: ReplaceUrl(
            body.find or "",
            body.replacement or "",
            body.drop_secrets,
            call.principal.scope_of(Right.EDIT),
        ),
        BulkActionName.SET_POLICY: lambda: SetPolicy(body.give_up_seconds, body.in_order),
        BulkActionName.SET_CONDITIONS: lambda: _read_set_conditions(body),
        BulkActionName.MOVE: lambda: _read_move(call, hooks),
        BulkActionName.COPY: lambda: _read_copy(call, hooks),
        BulkActionName.CLEAR: Clear,
    }
    return makers[body.action]()


def _read_set_conditions(body: HookBulkChange) -> Change:
    given = body.conditions
    if given is None:
        return SetConditions({})
    conditions = read_conditions(given)
    return SetConditions({name: getattr(conditions, name) for name in given.model_fields_set})


def _read_move(call: Call[NoQuery, HookBulkChange], hooks: Any) -> Change:
    for receiver in find_receivers_for(hooks, call.principal.scope_of(Right.EDIT)):
        if receiver.slug == call.body.receiver:
            return MoveToReceiver(receiver, drops_secrets=call.body.drop_secrets)
    raise invalid_value("#/receiver", "There is no such receiver that these hooks could use.")


def _read_copy(call: Call[NoQuery, HookBulkChange], hooks: Any) -> Change:
    numbers = list(dict.fromkeys(call.body.extensions or ()))
    if not numbers or len(numbers) > MAX_EXTENSIONS:
        raise invalid_value("#/extensions", f"Send 1 to {MAX_EXTENSIONS:,} numbers.")
    pbxs = {hook.pbx_id: hook.pbx for hook in hooks}
    if len(pbxs) > 1:
        raise invalid_value("#/extensions", "Choose hooks of one PBX: copies stay within it.")
    scope = call.principal.scope_of(Right.EDIT)
    try:
        found = [
            one
            for pbx in pbxs.values()
            for one in find_by_numbers(pbx, numbers, "extensions", scope)
        ]
    except InvalidError:
        sentence = "The PBX does not have all of these extensions."
        raise invalid_value("#/extensions", sentence) from None
    return CopyTo(found, scope=scope)


def _pointed(do: Callable[[], Any], prefix: str = "#/") -> Any:
    """Return the result; raises ApiError that points at the wrong fields."""
    try:
        return do()
    except InvalidError as error:
        problem = invalid_values(error, list(texts_of(request)))
        problem.errors = [
            replace(one, pointer=_point(prefix, one.pointer)) for one in problem.errors
        ]
        raise problem from None


def _point(prefix: str, pointer: str) -> str:
    """Return the pointer to a field of the body; the domain's names of conditions are paths."""
    name = pointer.removeprefix("#/")
    return prefix + (name.replace("~1", "/") if name.startswith("conditions~1") else name)


def _to_answer(plan: Plan, change_id: str | None, *, dry_run: bool) -> HookBulkResult:
    changing = plan.changing
    return HookBulkResult(
        dry_run=dry_run,
        changed=len(changing),
        unchanged=plan.unchanged,
        left_out=[
            LeftOutHooks(
                reason=reason,
                count=len(steps),
                event_ids=[step.hook.event_id for step in steps[:MAX_LISTED]],
            )
            for reason, steps in plan.left_out.items()
        ],
        examples=[
            ChangedHook(event_id=step.hook.event_id, before=step.before, after=step.after)
            for step in changing[:MAX_EXAMPLES]
        ],
        digest=plan.digest,
        change_id=change_id,
    )
