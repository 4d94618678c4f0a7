"""Commands for those who run the installation: how it fares, and removing what is old."""

import threading
from datetime import timedelta

import click
from flask.cli import with_appcontext

from callevents.cli.output import (
    Values,
    find_settings,
    json_option,
    print_answer,
    read_age,
    reports_errors,
)
from callevents.db.models import utc_now
from callevents.extensions import db
from callevents.operations import overview, retention
from callevents.operations.overview import Overview, TimeRange
from callevents.pbxs import pbxs


@click.command("status")
@click.option("--pbx", "slug", help="Only of this PBX.")
@click.option("--day", is_flag=True, help="Of 24 hours, and not of the last one.")
@json_option
@with_appcontext
@reports_errors
def status(slug: str | None, day: bool, as_json: bool) -> None:
    """Show how deliveries fare, as the overview page does."""
    found = overview.load_overview(
        pbxs.get_pbx(slug) if slug else None, TimeRange.DAY if day else TimeRange.HOUR
    )
    values = to_values(found)
    lines = [f"{name.replace('_', ' '):<24}{_text(value)}" for name, value in values.items()]
    print_answer(values, "\n".join(lines), as_json)


def to_values(found: Overview) -> Values:
    """Return the overview's figures by their names."""
    total, backlog, due_since = found.total, found.backlog, found.backlog.due_since
    overdue = max(0.0, (found.now - due_since).total_seconds()) if due_since else 0.0
    return {
        "span": found.span.slug,
        "events": total.events,
        "deliveries": total.deliveries,
        "delivered": total.delivered,
        "failed": total.failed,
        "cancelled": total.cancelled,
        "success_share": total.success_share,
        "latency_ms": {f"p{share:g}": total.latency_ms(share / 100) for share in (50, 95, 99)},
        "backlog": backlog.count,
        "backlog_is_more": backlog.is_more,
        "overdue_seconds": round(overdue, 3),
        "suspended_requests": found.suspended,
        "failing_requests": [one.hook.event_id for one in found.failing],
        "unreachable_receivers": [origin.name for origin in found.origins],
        "workers": [
            {"host": one.host, "pid": one.pid, "version": one.version} for one in found.alive
        ],
    }


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, list):
        return "; ".join(map(_text, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


@click.command("purge")
@click.option(
    "--older-than",
    "age",
    metavar="AGE",
    help="For example 30d or 12h; by default as the setting CALLEVENTS_RETENTION_DAYS says.",
)
@click.option("--dry-run", is_flag=True, help="Remove nothing, only say what would be removed.")
@json_option
@with_appcontext
@reports_errors
def purge(age: str | None, dry_run: bool, as_json: bool) -> None:
    """Remove old call events with their deliveries, but none that is still to be delivered."""
    before = utc_now() - (read_age(age) if age else timedelta(days=find_settings().retention_days))
    if not age and not find_settings().retention_days:
        raise click.UsageError("Events are kept for ever by default; say --older-than.")
    totals = {"events": 0, "deliveries": 0, "attempts": 0, "kept": 0}
    for batch in retention.purge(db.engine, before, threading.Event(), dry_run=dry_run):
        for name in totals:
            totals[name] += getattr(batch, name)
    text = (
        f"{totals['events']} call events, {totals['deliveries']} deliveries and "
        f"{totals['attempts']} attempts {'would be' if dry_run else 'are'} removed; "
        f"{totals['kept']} events are kept because they are still being delivered."
    )
    print_answer(totals, text, as_json)
