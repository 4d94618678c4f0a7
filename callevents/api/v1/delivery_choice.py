"""The filter of the delivery log from what a client sends, limited to what it may see or change."""

from typing import Any

from sqlalchemy import ColumnElement, and_

from callevents.api.v1.call import Call
from callevents.api.v1.chosen_pbxs import choose_pbx, find_removed
from callevents.api.v1.deliveries_models import DeliveryChoice
from callevents.api.v1.problems import ApiError, ProblemType
from callevents.api.v1.reading import invalid_value
from callevents.db.models import Delivery
from callevents.delivery.log.filters import Condition, Filter, check_origin
from callevents.enums import EventType, Right
from callevents.errors import InvalidError
from callevents.users.rights import Scope


def choose_deliveries(
    call: Call[Any, Any], choice: DeliveryChoice, right: Right, prefix: str
) -> Filter:
    """Return the filter of deliveries for which the caller has the right.

    `prefix` is that of pointers to the values. Raises ApiError: 400 for values that are not valid,
    403 without the right to change anything, or anything of the chosen PBX.
    """
    scope = call.principal.scope_of(right)
    pbx = choose_pbx(call, choice.pbx, f"{prefix}pbx")
    if right is not Right.SEE and (scope.is_empty or (pbx and not scope.touches(pbx.id))):
        raise ApiError(ProblemType.FORBIDDEN, "This needs another role.")
    if choice.origin:
        _check_origin(choice.origin, f"{prefix}origin")
    return Filter(
        pbx=pbx,
        state=choice.state,
        extension=choice.extension or "",
        event_type=EventType.from_slug(choice.event) if choice.event else None,
        hook=choice.hook or "",
        origin=choice.origin or "",
        call_id=choice.call_id or "",
        since=choice.since,
        until=choice.until,
        limit=_limit_to(scope),
        pbx_ids=None if scope.is_all else scope.pbx_ids | scope.partial_pbx_ids,
    )


def _check_origin(url: str, pointer: str) -> None:
    try:
        check_origin(url)
    except InvalidError:
        sentence = "Must be an origin, written like https://crm.example.com."
        raise invalid_value(pointer, sentence) from None


def _limit_to(scope: Scope) -> Condition | None:
    """Return the condition for what may be seen; None if that is everything."""
    removed = find_removed()
    if scope.is_all and not removed:
        return None

    def limit(one: type[Delivery]) -> ColumnElement[bool]:
        return and_(scope.of_deliveries(one), one.pbx_id.not_in(removed))

    return limit
