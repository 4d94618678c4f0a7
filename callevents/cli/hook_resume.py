"""The command that resumes suspended requests."""

import click
from flask.cli import with_appcontext

from callevents.cli.hooks import to_values
from callevents.cli.output import handle_errors, json_option, print_result
from callevents.counted import counted
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.hooks import queries, suspension


@click.command("resume")
@click.argument("event_ids", nargs=-1, metavar="[EVENT_ID]...")
@click.option("--all", "resume_all", is_flag=True, help="Resume all suspended requests.")
@json_option
@with_appcontext
@handle_errors
def resume_hooks(event_ids: tuple[str, ...], resume_all: bool, as_json: bool) -> None:
    """Resume suspended requests. Failed deliveries stay failed until you resend them."""
    if bool(event_ids) == resume_all:
        raise click.UsageError("Pass one or more Event IDs, or --all.")
    begin_write()
    chosen = (
        suspension.list_suspended(limit=None)
        if resume_all
        else [queries.get_hook(event_id) for event_id in event_ids]
    )
    found = suspension.resume_all([hook for hook in chosen if hook.suspended_at])
    db.session.commit()
    resumed = [to_values(hook) for hook in chosen]
    lines = [f"Resumed {counted(len(found.ready), 'request')}."]
    if found.left_out:
        lines += [f"Left out {counted(len(found.left_out), 'request')}:", *found.sentences]
    print_result(resumed, "\n".join(lines), as_json)
