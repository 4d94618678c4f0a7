"""Why the conditions of a hook are not met by a call."""

from collections.abc import Callable, Sequence

from callevents.conditions.conditions import Conditions
from callevents.conditions.facts import CallFacts
from callevents.conditions.hours import is_within, local_time
from callevents.conditions.numbers import Normalize, compact, matches
from callevents.conditions.words import (
    DAYS,
    DIRECTIONS,
    describe_days,
    describe_seconds,
    describe_times,
    join,
)

#: Values of a list that a sentence names.
MAX_NAMED = 5


def find_unmet(conditions: Conditions, facts: CallFacts, normalize: Normalize = str) -> str:
    """Return a sentence about the first condition that is not met; empty if all are.

    `normalize` returns a number in international format. What is not known meets no condition.
    """
    for check in _CHECKS:
        if reason := check(conditions, facts):
            return f"Skipped: {reason}."
    for wanted, number, name in (
        (conditions.numbers, facts.number, "the other party's number"),
        (conditions.dids, facts.did, "the number that was called from outside"),
    ):
        if wanted and (reason := _check_number(wanted, number, name, normalize)):
            return f"Skipped: {reason}."
    return ""


def _check_direction(conditions: Conditions, facts: CallFacts) -> str:
    if not conditions.directions or facts.direction in conditions.directions:
        return ""
    if not facts.direction:
        return "it is not known whether the call was incoming or outgoing"
    return f"the call was {DIRECTIONS.get(facts.direction, facts.direction)}"


def _check_party(conditions: Conditions, facts: CallFacts) -> str:
    if not conditions.party:
        return ""
    if facts.is_internal is None:
        return "it is not known whether the call was internal or external"
    party = "internal" if facts.is_internal else "external"
    return "" if party == conditions.party else f"the call was {party}"


def _check_answer(conditions: Conditions, facts: CallFacts) -> str:
    if conditions.answered is None or facts.is_answered is conditions.answered:
        return ""
    if facts.is_answered is None:
        return "it is not known whether the call was answered"
    return f"the call was {'' if facts.is_answered else 'not '}answered"


def _check_length(conditions: Conditions, facts: CallFacts) -> str:
    if not conditions.min_seconds:
        return ""
    if facts.talk_seconds is None:
        return "it is not known how long the call lasted"
    if facts.talk_seconds >= conditions.min_seconds:
        return ""
    if facts.is_answered is False:
        return "the call was not answered"
    lasted = describe_seconds(facts.talk_seconds)
    return f"the call lasted {lasted}, less than {conditions.min_seconds:,}"


def _check_hours(conditions: Conditions, facts: CallFacts) -> str:
    hours = conditions.hours
    if hours is None:
        return ""
    local = local_time(facts.at, hours.zone)
    if local is None:
        return f"this server does not know the time zone {hours.zone}"
    within = is_within(hours, local)
    if within is not hours.is_outside:
        return ""
    moment = f"{local:%H:%M} on {DAYS[local.weekday()]} in {hours.zone}"
    when = ", ".join(filter(None, (describe_days(hours.days), describe_times(hours))))
    return f"{moment} is {'within' if within else 'outside'} {when}"


def _check_queue(conditions: Conditions, facts: CallFacts) -> str:
    if not conditions.queues:
        return ""
    if not facts.queue:
        return "no queue of the call is known"
    if facts.queue.casefold() in {queue.casefold() for queue in conditions.queues}:
        return ""
    return f"the call was in the queue {facts.queue}, not in {join(conditions.queues, MAX_NAMED)}"


def _check_number(wanted: Sequence[str], number: str, name: str, normalize: Normalize) -> str:
    if not compact(number):
        return f"{name} is not known"
    if matches(number, wanted, normalize):
        return ""
    return f"{name} is none of {join(wanted, MAX_NAMED)}"


_CHECKS: Sequence[Callable[[Conditions, CallFacts], str]] = (
    _check_direction,
    _check_party,
    _check_answer,
    _check_length,
    _check_hours,
    _check_queue,
)
