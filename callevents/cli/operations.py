"""Commands for operators: status and purge."""

import threading
from datetime import timedelta

import click
from flask.cli import with_appcontext

from callevents import audit
from callevents.audit.targets import INSTALLATION
from callevents.cli.output import (
    Values,
    get_settings,
    handle_errors,
    json_option,
    parse_duration,
    print_result,
)
from callevents.db.models import utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.operations import overview, retention
from callevents.operations.overview import Overview, TimeRange
from callevents.pbxs import pbxs


@click.command("status")
@click.option("--pbx", "slug", help="Only for this PBX.")
@click.option("--day", is_flag=True, help="Show the last 24 hours instead of the last hour.")
@json_option
@with_appcontext
@handle_errors
def status(slug: str | None, day: bool, as_json: bool) -> None:
    """Show the delivery statistics of the overview page."""
    found = overview.load_overview(
        pbxs.get_pbx(slug) if slug else None, TimeRange.DAY if day else TimeRange.HOUR
    )
    values = to_values(found)
    lines = [f"{name.replace('_', ' '):<24}{_text(value)}" for name, value in values.items()]
    print_result(values, "\n".join(lines), as_json)


def to_values(found: Overview) -> Values:
    """Return the figures of the overview, as printed with --json."""
    total, backlog, due_since = found.total, found.backlog, found.backlog.due_since
    overdue = max(0.0, (found.now - due_since).total_seconds()) if due_since else 0.0
    return {
        "span": found.span.slug,
        "events": total.events,
        "deliveries": total.deliveries,
        "delivered": total.delivered,
        "failed": total.failed,
        "cancelled": total.cancelled,
        "skipped": total.skipped,
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
        "foreign_jobs": found.foreign_jobs,
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
    help="For example 30d or 12h. Default: the retention of the PBX, or CALLEVENTS_RETENTION_DAYS.",
)
@click.option("--dry-run", is_flag=True, help="Remove nothing; print what would be removed.")
@json_option
@with_appcontext
@handle_errors
def purge(age: str | None, dry_run: bool, as_json: bool) -> None:
    """Remove old call events with their deliveries. Those with pending deliveries are kept."""
    stopped, days = threading.Event(), get_settings().retention_days
    if not age and not days and not retention.has_own_retention(db.engine):
        raise click.UsageError(
            "Retention is disabled (CALLEVENTS_RETENTION_DAYS=0). Pass --older-than."
        )
    before = utc_now() - (parse_duration(age) if age else timedelta(days=days))
    if not dry_run:
        begin_write()
        audit.record(audit.Action.DATA_PURGED, INSTALLATION, after={"received_before": before})
        db.session.commit()
    if age:
        batches = retention.purge(db.engine, before, stopped, dry_run=dry_run)
    else:
        batches = retention.purge_by_age(db.engine, days, stopped, dry_run=dry_run)
    totals = {"events": 0, "deliveries": 0, "attempts": 0, "kept": 0}
    for batch in batches:
        for name in totals:
            totals[name] += getattr(batch, name)
    text = (
        f"{'Would remove' if dry_run else 'Removed'} {totals['events']} call events, "
        f"{totals['deliveries']} deliveries and {totals['attempts']} attempts. "
        f"{'Would keep' if dry_run else 'Kept'} {totals['kept']} events with pending deliveries."
    )
    print_result(totals, text, as_json)
