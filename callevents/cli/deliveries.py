"""The commands about deliveries: list, show, send again, recover, cancel."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import AppGroup

from callevents.cli.output import (
    Command,
    Values,
    find_event,
    json_option,
    print_answer,
    print_list,
    read_age,
    reports_errors,
)
from callevents.db.models import Attempt, Delivery, to_id, utc_now
from callevents.db.session import begin_write
from callevents.delivery.log import queries
from callevents.delivery.log.bulk import Act, apply_to_all
from callevents.delivery.log.filters import Filter, phase_of
from callevents.delivery.log.pagination import find_page
from callevents.delivery.log.resend import SkipReason, cancel, resend
from callevents.delivery.request.masking import mask_address
from callevents.enums import ListedState
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.hooks import queries as hooks_queries
from callevents.jobs import wake
from callevents.pbxs import pbxs

group = AppGroup("deliveries", help="Call events on their way to receivers.")

STATES = click.Choice([state.value for state in ListedState])
OPTIONS = (
    click.option("--pbx", help="Only those of this PBX."),
    click.option("--extension", help="Only those of this extension."),
    click.option("--event", help="Only those of this event, such as hangup."),
    click.option("--hook", metavar="EVENT_ID", help="Only those of this request."),
    click.option("--state", type=STATES, help="Only those in this state."),
    click.option("--failed", is_flag=True, help="The same as --state failed."),
    click.option("--origin", metavar="URL", help="Only those to this scheme, host and port."),
    click.option("--call", metavar="ID", help="Only those of this call."),
    click.option("--since", metavar="TIME", help="Only those made since; as 2h, or as a time."),
    click.option("--until", metavar="TIME", help="Only those made before."),
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Change nothing, only count.")


def filter_options(command: Command) -> Command:
    """Give the command the options of a filter, which it takes as keywords."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@group.command("list")
@filter_options
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@reports_errors
def list_deliveries(limit: int, as_json: bool, **given: Any) -> None:
    """List deliveries, newest first."""
    wanted = _filter(given)
    found: list[Delivery] = []
    before = None
    while True:
        page = find_page(wanted, limit=limit - len(found), before=before)
        found += page.found
        if page.before is None or len(found) >= limit:
            break
        before = page.before
    print_list(found, _delivery, as_json)


@group.command("show")
@click.argument("delivery_id")
@json_option
@reports_errors
def show(delivery_id: str, as_json: bool) -> None:
    """Show a delivery with all its attempts."""
    delivery = queries.get_delivery(delivery_id)
    attempts = [_attempt(one) for one in queries.list_attempts(delivery)]
    values = _delivery(delivery)
    lines = [f"{name}: {'' if value is None else value}" for name, value in values.items()]
    for one in attempts:
        status = one["status_code"] or "no answer"
        line = f"attempt {one['number']}: {one['started_at']}, {status}, {one['duration_ms']} ms"
        lines.append(f"{line} {one['error']}".rstrip())
    print_answer({**values, "attempts_made": attempts}, "\n".join(lines), as_json)


@group.command("resend")
@click.argument("delivery_ids", nargs=-1, metavar="[ID]...")
@filter_options
@dry_run_option
@json_option
@reports_errors
def resend_deliveries(
    delivery_ids: tuple[str, ...], dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Send deliveries again: those with these IDs, or all that the options describe."""
    _check_said(delivery_ids, given)
    counts = _act(resend, delivery_ids, _filter(given), dry_run=dry_run)
    _print_counts(counts, "sent again", dry_run=dry_run, as_json=as_json)


@group.command("recover")
@click.option("--hook", metavar="EVENT_ID", required=True, help="The request.")
@click.option("--since", metavar="TIME", required=True, help="As 2h, or as a time.")
@dry_run_option
@json_option
@reports_errors
def recover(hook: str, since: str, dry_run: bool, as_json: bool) -> None:
    """Send again all that has failed for a request since a time."""
    found = hooks_queries.get_hook(hook)
    wanted = Filter(found.pbx, ListedState.FAILED, hook=hook, since=_read_time(since))
    counts = _act(resend, (), wanted, dry_run=dry_run)
    _print_counts(counts, "sent again", dry_run=dry_run, as_json=as_json)


@group.command("cancel")
@click.argument("delivery_ids", nargs=-1, metavar="[ID]...")
@filter_options
@dry_run_option
@json_option
@reports_errors
def cancel_deliveries(
    delivery_ids: tuple[str, ...], dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Cancel deliveries that wait: those with these IDs, or all that the options describe."""
    _check_said(delivery_ids, given)
    wanted = _filter(given).of_pending()
    counts = _act(cancel, delivery_ids, wanted, dry_run=dry_run)
    _print_counts(counts, "cancelled", dry_run=dry_run, as_json=as_json)


def _check_said(delivery_ids: tuple[str, ...], given: Values) -> None:
    """Refuse what would be about all deliveries there are, and what says which in two ways."""
    if not delivery_ids and not any(given.values()):
        raise click.UsageError("Say which, by their IDs or by options as --failed --since 2h.")
    if delivery_ids and any(given.values()):
        raise click.UsageError("Say which either by their IDs or by options, not by both.")


def _act(
    act: Act, delivery_ids: tuple[str, ...], wanted: Filter, *, dry_run: bool
) -> tuple[int, Counter[SkipReason]]:
    """Do it, or do it and take it back to count; return how many were changed and left out."""
    finish: Callable[[], None] = db.session.rollback if dry_run else _commit
    if delivery_ids:
        begin_write()
        done = act([_read_id(one) for one in delivery_ids], utc_now())
        finish()
        return done.changed, done.skipped
    if wanted in (Filter(), Filter().of_pending()):
        raise click.UsageError(
            "Say which: by their IDs, or by options such as --failed --since 2h."
        )
    changed, refused = 0, Counter[SkipReason]()
    for progress in apply_to_all(act, wanted):
        finish()
        changed, refused = progress.changed, progress.skipped
    return changed, refused


def _commit() -> None:
    db.session.commit()
    wake()


def _print_counts(
    counts: tuple[int, Counter[SkipReason]], done: str, *, dry_run: bool, as_json: bool
) -> None:
    changed, refused = counts
    noun = "delivery" if changed == 1 else "deliveries"
    verb = "would be" if dry_run else "is" if changed == 1 else "are"
    text = f"{changed:,} {noun} {verb} {done}."
    for refusal, count in refused.items():
        text += f"\n{count:,} left out: {refusal}."
    left_out = {str(refusal): count for refusal, count in refused.items()}
    print_answer({"changed": changed, "left_out": left_out, "dry_run": dry_run}, text, as_json)


def _filter(given: Values) -> Filter:
    """Return the filter that the options describe; raises errors with sentences about them."""
    if given["failed"] and given["state"] not in (None, "failed"):
        raise click.UsageError("--failed and --state say different things.")
    state = "failed" if given["failed"] else given["state"]
    for name, value in given.items():
        if isinstance(value, str) and not value.isprintable():
            raise click.UsageError(f"--{name} must not have control characters.")
    return Filter(
        pbx=pbxs.get_pbx(given["pbx"]) if given["pbx"] else None,
        state=ListedState(state) if state else None,
        extension=given["extension"] or "",
        event_type=find_event(given["event"]) if given["event"] else None,
        hook=given["hook"] or "",
        origin=given["origin"] or "",
        call_id=given["call"] or "",
        since=_read_time(given["since"]) if given["since"] else None,
        until=_read_time(given["until"]) if given["until"] else None,
    )


def _read_time(text: str) -> datetime:
    """Return the time of an age such as 2h, or of an ISO time, in UTC if it says nothing else."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return utc_now() - read_age(text)


def _read_id(text: str) -> str:
    if (found := to_id(text)) is None:
        raise NotFoundError(f"{text!r} is no id of a delivery.")
    return found


def _delivery(delivery: Delivery) -> Values:
    return {
        "id": delivery.id,
        "pbx": delivery.pbx.slug,
        "event": delivery.event_type.slug,
        "extension": delivery.extension,
        "call_event_id": delivery.call_event_id,
        "call": delivery.call_id,
        "event_id": delivery.hook_event_id,
        "method": delivery.method,
        "url": mask_address(delivery.url),
        "state": phase_of(delivery),
        "attempts": delivery.attempts,
        "status_code": delivery.status_code,
        "error": delivery.error,
        "created_at": delivery.created_at.isoformat(timespec="milliseconds"),
    }


def _attempt(attempt: Attempt) -> Values:
    return {
        "number": attempt.number,
        "started_at": attempt.started_at.isoformat(timespec="milliseconds"),
        "duration_ms": attempt.duration_ms,
        "status_code": attempt.status_code,
        "error": attempt.error,
        "method": attempt.method,
        "url": attempt.url,
        "request_headers": attempt.request_headers,
        "request_body": attempt.request_body,
        "response_headers": attempt.response_headers,
        "response_body": attempt.response_body,
        "response_truncated": attempt.response_truncated,
    }
