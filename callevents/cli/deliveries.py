"""Commands for deliveries: list, show, resend, recover, cancel."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
from flask.cli import AppGroup

from callevents.cli.delivery_filters import (
    filter_options,
    parse_delivery_id,
    parse_filter,
    parse_time,
)
from callevents.cli.output import (
    Values,
    dry_run_option,
    handle_errors,
    json_option,
    print_list,
    print_result,
    to_text,
)
from callevents.counted import counted
from callevents.db.models import Attempt, Delivery
from callevents.db.session import begin_write
from callevents.delivery.attempts import list_attempts
from callevents.delivery.log import queries
from callevents.delivery.log.bulk import Act, apply_to_all, apply_to_ids
from callevents.delivery.log.filters import Filter, phase_of
from callevents.delivery.log.pagination import find_page
from callevents.delivery.log.resend import SkipReason, cancel, resend
from callevents.delivery.log.wait_reason import find_wait_reasons
from callevents.delivery.request.masking import mask_address
from callevents.enums import ListedState
from callevents.extensions import db
from callevents.hooks import queries as hooks_queries
from callevents.jobs.waker import wake

group = AppGroup("deliveries", help="List, resend and cancel deliveries.")

NO_SELECTION = "Pass delivery IDs or a filter, for example --failed --since 2h."


@group.command("list")
@filter_options
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Maximum number."
)
@json_option
@handle_errors
def list_deliveries(limit: int, as_json: bool, **given: Any) -> None:
    """List deliveries, newest first. `show` and --json print more of each."""
    wanted = parse_filter(given)
    found: list[Delivery] = []
    before = None
    while True:
        page = find_page(wanted, limit=limit - len(found), before=before)
        found += page.found
        if page.before is None or len(found) >= limit:
            break
        before = page.before
    print_list(found, _to_values if as_json else _to_row, as_json)


@group.command("show")
@click.argument("delivery_id")
@json_option
@handle_errors
def show(delivery_id: str, as_json: bool) -> None:
    """Show a delivery and its attempts."""
    delivery = queries.get_delivery(delivery_id)
    attempts = [_attempt_to_values(one) for one in list_attempts(delivery)]
    values = {**_to_values(delivery), **_wait_to_values(delivery)}
    lines = [f"{name}: {to_text(value)}" for name, value in values.items()]
    for one in attempts:
        status = one["status_code"] or "no response"
        line = f"attempt {one['number']}: {one['started_at']}, {status}, {one['duration_ms']} ms"
        lines.append(f"{line}: {one['error']}" if one["error"] else line)
    print_result({**values, "attempts_made": attempts}, "\n".join(lines), as_json)


@group.command("resend")
@click.argument("delivery_ids", nargs=-1, metavar="[ID]...")
@filter_options
@dry_run_option
@json_option
@handle_errors
def resend_deliveries(
    delivery_ids: tuple[str, ...], dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Resend deliveries by ID or filter."""
    _check_selection(delivery_ids, given)
    counts = _apply(resend, delivery_ids, parse_filter(given), dry_run=dry_run)
    print_counts(counts, "Resent", "Would resend", dry_run=dry_run, as_json=as_json)


@group.command("recover")
@click.option("--hook", metavar="EVENT_ID", required=True, help="Event ID of the request.")
@click.option("--since", metavar="TIME", required=True, help="Created since: 2h, or an ISO time.")
@dry_run_option
@json_option
@handle_errors
def recover(hook: str, since: str, dry_run: bool, as_json: bool) -> None:
    """Resend the failed deliveries of a request."""
    found = hooks_queries.get_hook(hook)
    wanted = Filter(found.pbx, ListedState.FAILED, hook=hook, since=parse_time(since))
    counts = resend_matching(wanted, dry_run=dry_run)
    print_counts(counts, "Resent", "Would resend", dry_run=dry_run, as_json=as_json)


@group.command("cancel")
@click.argument("delivery_ids", nargs=-1, metavar="[ID]...")
@filter_options
@dry_run_option
@json_option
@handle_errors
def cancel_deliveries(
    delivery_ids: tuple[str, ...], dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Cancel pending or held deliveries by ID or filter."""
    _check_selection(delivery_ids, given)
    wanted = parse_filter(given).of_pending()
    counts = _apply(cancel, delivery_ids, wanted, dry_run=dry_run)
    print_counts(counts, "Cancelled", "Would cancel", dry_run=dry_run, as_json=as_json)


def _check_selection(delivery_ids: tuple[str, ...], given: Values) -> None:
    """Raise UsageError unless either IDs or a filter is given."""
    if not delivery_ids and not any(given.values()):
        raise click.UsageError(NO_SELECTION)
    if delivery_ids and any(given.values()):
        raise click.UsageError("Pass either delivery IDs or a filter, not both.")


def resend_matching(wanted: Filter, *, dry_run: bool) -> tuple[int, Counter[SkipReason]]:
    """Resend the deliveries that match; return the counts of changed and refused ones."""
    return _apply(resend, (), wanted, dry_run=dry_run)


def _apply(
    act: Act, delivery_ids: tuple[str, ...], wanted: Filter, *, dry_run: bool
) -> tuple[int, Counter[SkipReason]]:
    """Apply the action, rolled back for a dry run; return the counts of changed and refused."""
    finish: Callable[[], None] = db.session.rollback if dry_run else _commit
    if delivery_ids:
        begin_write()
        done = apply_to_ids(act, [parse_delivery_id(one) for one in delivery_ids])
        finish()
        return done.changed, done.skipped
    if wanted in (Filter(), Filter().of_pending()):
        raise click.UsageError(NO_SELECTION)
    changed, refused = 0, Counter[SkipReason]()
    for progress in apply_to_all(act, wanted):
        finish()
        changed, refused = progress.changed, progress.skipped
    return changed, refused


def _commit() -> None:
    db.session.commit()
    wake()


def print_counts(
    counts: tuple[int, Counter[SkipReason]],
    done: str,
    would_do: str,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Print what was done, or would be."""
    changed, refused = counts
    text = f"{would_do if dry_run else done} {counted(changed, 'delivery')}."
    for refusal, count in refused.items():
        text += f"\nSkipped {count:,}: {refusal}."
    left_out = {str(refusal): count for refusal, count in refused.items()}
    print_result({"changed": changed, "left_out": left_out, "dry_run": dry_run}, text, as_json)


def _to_values(delivery: Delivery) -> Values:
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
        "created_at": _time_to_text(delivery.created_at),
    }


def _to_row(delivery: Delivery) -> Values:
    """Return what fits into a line on a terminal."""
    values = _to_values(delivery)
    names = ("id", "pbx", "event", "extension", "state", "attempts", "status_code", "url")
    created = delivery.created_at.strftime("%Y-%m-%d %H:%M:%S")
    return {"created_at": created, **{name: values[name] for name in names}}


def _wait_to_values(delivery: Delivery) -> Values:
    """Return what the delivery waits for; all None if it is not pending."""
    reason = find_wait_reasons([delivery])[delivery.id]
    return {
        "waits_for_delivery": reason.behind,
        "held_because": reason.held or None,
        "receiver_paused_until": _time_to_text(reason.origin.probe_at) if reason.origin else None,
        "next_attempt_at": _time_to_text(reason.next_attempt_at),
        "gives_up_at": _time_to_text(reason.gives_up_at),
    }


def _time_to_text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None


def _attempt_to_values(attempt: Attempt) -> Values:
    return {
        "number": attempt.number,
        "started_at": _time_to_text(attempt.started_at),
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
