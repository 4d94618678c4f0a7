"""Receivers as commands print them, without secrets."""

from datetime import datetime

from callevents.cli.output import Values, print_result, to_text
from callevents.db.models import Receiver
from callevents.errors import NotFoundError
from callevents.receivers.receivers import get_receiver, list_receivers
from callevents.receivers.shown import shown_address, shown_credentials, shown_values
from callevents.receivers.status import find_recent, find_status

#: Printed instead of a secret.
SET = "set, not shown"


def find_named(name: str) -> Receiver:
    """Return the receiver with this short name, or name; raises NotFoundError."""
    try:
        return get_receiver(name)
    except NotFoundError:
        for receiver in list_receivers():
            if receiver.name.casefold() == name.casefold():
                return receiver
        raise


def to_row(receiver: Receiver) -> Values:
    """Return what fits into a line on a terminal."""
    status = find_status(receiver)
    return {
        "receiver": receiver.slug,
        "name": receiver.name,
        "recipe": receiver.recipe,
        "pbx": receiver.pbx.slug if receiver.pbx else "",
        "address": shown_address(receiver),
        "requests": status.requests,
        "state": status.health.value,
    }


def to_values(receiver: Receiver) -> Values:
    """Return the settings and the state of a receiver."""
    status = find_status(receiver)
    return {
        **to_row(receiver),
        "values": dict(shown_values(receiver)),
        "auth": receiver.auth.value,
        "credentials": dict(shown_credentials(receiver)),
        "has_client_certificate": bool(receiver.client_certificate),
        "max_in_flight": receiver.max_in_flight,
        "max_per_second": receiver.max_per_second,
        "needs": status.needs,
        "active_requests": status.active,
        "suspended_requests": status.suspended,
        "failing_since": _to_text(status.failing_since),
        "paused_until": _to_text(status.paused_until),
        "pause_reason": status.pause_reason,
        "renewal_error": status.renewal_error,
        "certificate_warning": status.certificate_warning,
    }


def print_receiver(receiver: Receiver, as_json: bool) -> None:
    """Print a receiver with its state and what was delivered lately."""
    values, recent = to_values(receiver), find_recent(receiver)
    values |= {
        "waiting_deliveries": recent.waiting,
        "deliveries_of_last_hour": {str(state): n for state, n in recent.counts.items()},
        "last_delivery": recent.last.id if recent.last else None,
    }
    lines: list[str] = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines += [f"{name} {key}: {_show(one)}" for key, one in value.items()]
        else:
            lines.append(f"{name}: {to_text(value)}")
    print_result(values, "\n".join(lines), as_json)


def _show(value: object) -> str:
    return SET if value is None else to_text(value)


def _to_text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
