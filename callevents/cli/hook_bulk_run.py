"""Runs and prints changes of many requests."""

from collections.abc import Mapping, Sequence

from callevents.cli.output import Values, print_result
from callevents.counted import counted
from callevents.db.session import begin_write
from callevents.delivery.hold import describe_waiting
from callevents.extensions import db
from callevents.hooks.bulk import apply as bulk
from callevents.hooks.bulk.apply import Done
from callevents.hooks.bulk.steps import MAX_EXAMPLES, Change, Plan
from callevents.hooks.selection import Selection
from callevents.jobs.waker import wake


def run_bulk(
    selection: Selection, change: Change, verb: str, *, dry_run: bool, as_json: bool
) -> None:
    """Make the change, or preview it, and print the result."""
    if dry_run:
        _print_preview(bulk.preview(selection, change), as_json=as_json)
        return
    begin_write()
    done = bulk.apply(selection, change)
    db.session.commit()
    wake()
    _print_done(done, verb, as_json=as_json)


def _print_preview(plan: Plan, *, as_json: bool) -> None:
    changing = plan.changing
    lines = [f"Would change {len(changing):,} of {counted(len(plan.steps), 'request')}."]
    for step in changing[:MAX_EXAMPLES]:
        arrow = f" -> {step.after}" if step.after else ""
        lines.append(f"  {step.hook.event_id}  {step.before}{arrow}")
    if len(changing) > MAX_EXAMPLES:
        lines.append(f"  and {len(changing) - MAX_EXAMPLES:,} more")
    lines += _reasons(plan.count_left_out(), plan.unchanged)
    changes = [
        {"event_id": step.hook.event_id, "before": step.before, "after": step.after}
        for step in changing
    ]
    counts = _to_values(len(changing), plan.unchanged, plan.count_left_out())
    print_result({"dry_run": True, **counts, "changes": changes}, "\n".join(lines), as_json)


def _print_done(done: Done, verb: str, *, as_json: bool) -> None:
    lines = [f"{verb} {counted(done.changed, 'request')}."]
    for count, what in ((done.held, "held"), (done.released, "go on"), (done.cancelled, "end")):
        if count:
            lines.append(f"{describe_waiting(count)} {what}.")
    lines += _reasons(done.left_out, done.unchanged)
    if done.id:
        limit = "30 seconds" if done.cancelled or verb == "Cleared" else "half an hour"
        lines.append(f"To undo this within {limit}: flask hooks undo {done.id}")
    counts = _to_values(done.changed, done.unchanged, done.left_out)
    waiting = {"held": done.held, "released": done.released, "cancelled": done.cancelled}
    values = {"dry_run": False, **counts, **waiting, "change": done.id or None}
    print_result(values, "\n".join(lines), as_json)


def _to_values(changed: int, unchanged: int, left_out: Mapping[str, int]) -> Values:
    return {"changed": changed, "unchanged": unchanged, "left_out": dict(left_out)}


def _reasons(left_out: Mapping[str, int], unchanged: int) -> Sequence[str]:
    lines = [f"Left out {count:,}: {reason}." for reason, count in left_out.items()]
    return [*([f"{unchanged:,} unchanged."] if unchanged else []), *lines]
