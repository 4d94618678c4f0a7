"""Command options that select deliveries, and the filter they describe."""

from datetime import UTC, datetime

import click

from callevents.cli.output import Command, Values, get_event_type, parse_duration
from callevents.db.models import to_id, utc_now
from callevents.delivery.log.filters import Filter
from callevents.enums import ListedState
from callevents.errors import NotFoundError
from callevents.pbxs import pbxs

_OPTIONS = (
    click.option("--pbx", help="Filter by PBX."),
    click.option("--extension", help="Filter by extension."),
    click.option("--event", help="Filter by event, for example hangup."),
    click.option("--hook", metavar="EVENT_ID", help="Filter by request."),
    click.option(
        "--state",
        type=click.Choice([state.value for state in ListedState]),
        help="Filter by state.",
    ),
    click.option("--failed", is_flag=True, help="Same as --state failed."),
    click.option("--origin", metavar="URL", help="Filter by scheme, host and port."),
    click.option("--call", metavar="ID", help="Filter by call."),
    click.option("--since", metavar="TIME", help="Created since: 2h, or an ISO time."),
    click.option("--until", metavar="TIME", help="Created before: 2h, or an ISO time."),
)


def filter_options(command: Command) -> Command:
    """Add the options of a filter to a command, which passes them to `parse_filter`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def parse_filter(given: Values) -> Filter:
    """Return the filter that the options describe.

    Raises click.UsageError, and NotFoundError for an unknown PBX or event.
    """
    if given["failed"] and given["state"] not in (None, "failed"):
        raise click.UsageError("--failed and --state contradict each other.")
    state = "failed" if given["failed"] else given["state"]
    for name, value in given.items():
        if isinstance(value, str) and not value.isprintable():
            raise click.UsageError(f"--{name} must not contain control characters.")
    return Filter(
        pbx=pbxs.get_pbx(given["pbx"]) if given["pbx"] else None,
        state=ListedState(state) if state else None,
        extension=given["extension"] or "",
        event_type=get_event_type(given["event"]) if given["event"] else None,
        hook=given["hook"] or "",
        origin=given["origin"] or "",
        call_id=given["call"] or "",
        since=parse_time(given["since"]) if given["since"] else None,
        until=parse_time(given["until"]) if given["until"] else None,
    )


def parse_time(text: str) -> datetime:
    """Return the time of an ISO text, in UTC unless it names a zone, or of an age such as 2h."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return utc_now() - parse_duration(text)


def parse_delivery_id(text: str) -> str:
    """Return the ID in its stored form; raises NotFoundError."""
    if (found := to_id(text)) is None:
        raise NotFoundError(f"Invalid delivery ID {text!r}.")
    return found
