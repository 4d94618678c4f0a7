"""The commands about hooks: configure, list, enable, disable, resume, clear."""

from typing import Any

import click
from flask.cli import AppGroup

from callevents.cli.hook_options import hook_options, parse_options, to_values
from callevents.cli.output import (
    Values,
    find_event,
    json_option,
    print_answer,
    print_list,
    reports_errors,
)
from callevents.db.models import Hook
from callevents.db.models.hook import ALL_EXTENSIONS
from callevents.db.session import begin_write
from callevents.enums import EventType, Method
from callevents.extensions import db
from callevents.hooks import hooks, queries, signing_secret, suspension
from callevents.hooks.options import read_options
from callevents.pbxs import extensions, pbxs

group = AppGroup("hooks", help="Requests that call events make.")


@group.command("set")
@click.argument("pbx")
@click.argument("extension")
@click.argument("event")
@click.option("--url", required=True, help="Where the request goes.")
@click.option("--method", type=click.Choice(Method, case_sensitive=False), default=Method.GET)
@click.option("--note", default="", help="A note for people.")
@click.option("--inactive", is_flag=True, help="Do not enable it.")
@click.option("--add", is_flag=True, help="Add it beside the requests that the event has.")
@hook_options
@click.option("--sign", is_flag=True, help="Sign the requests; a new secret is printed this once.")
@json_option
@reports_errors
def set_hook(
    pbx: str,
    extension: str,
    event: str,
    url: str,
    method: Method,
    note: str,
    inactive: bool,
    add: bool,
    sign: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Configure the request for an EVENT of an EXTENSION (* for all); print its Event ID.

    Where the event has one request already, it becomes this one, unless --add is given: what is
    not named is as it is for a new one (GET, active, not signed ...). With --sign a request that is
    signed keeps its secret.
    """
    data = hooks.HookData(url, Method(method), not inactive, note, parse_options(**options))
    begin_write()
    found = pbxs.get_pbx(pbx)
    configure = hooks.create_hook if add else hooks.set_hook
    hook = configure(
        found, extensions.get_extension_by_number(found, extension), find_event(event), data
    )
    secret = _sign(hook, wanted=sign)
    db.session.commit()
    _print_hook(hook, hook.event_id, secret, as_json=as_json)


def _sign(hook: Hook, *, wanted: bool) -> str | None:
    """Sign the hook's requests or no longer; return the secret if it is new."""
    if wanted:
        return None if hook.signing_secret else signing_secret.renew_secret(hook)
    signing_secret.remove_secret(hook)
    return None


@group.command("rotate-secret")
@click.argument("event_id")
@json_option
@reports_errors
def rotate_secret(event_id: str, as_json: bool) -> None:
    """Make a new signing secret for the request with this Event ID, and print it this once.

    The one before, if there is one, signs too for 24 hours more.
    """
    begin_write()
    hook = queries.get_hook(event_id)
    secret = signing_secret.renew_secret(hook)
    db.session.commit()
    _print_hook(hook, hook.event_id, secret, as_json=as_json)


@group.command("list")
@click.argument("pbx", required=False)
@json_option
@reports_errors
def list_hooks(pbx: str | None, as_json: bool) -> None:
    """List the requests, of one PBX or of all."""
    found = queries.list_all_hooks(pbxs.get_pbx(pbx) if pbx else None)
    print_list(found, _hook_with_options if as_json else _hook, as_json)


@group.command("enable")
@click.argument("event_id")
@json_option
@reports_errors
def enable_hook(event_id: str, as_json: bool) -> None:
    """Enable the request with this Event ID."""
    _switch(event_id, active=True, as_json=as_json)


@group.command("disable")
@click.argument("event_id")
@json_option
@reports_errors
def disable_hook(event_id: str, as_json: bool) -> None:
    """Disable the request with this Event ID; what waits for it is cancelled."""
    _switch(event_id, active=False, as_json=as_json)


@group.command("resume")
@click.argument("event_ids", nargs=-1, metavar="[EVENT_ID]...")
@click.option("--all", "resume_all", is_flag=True, help="Resume all that are suspended.")
@json_option
@reports_errors
def resume_hooks(event_ids: tuple[str, ...], resume_all: bool, as_json: bool) -> None:
    """Resume suspended requests. What failed meanwhile stays failed until it is sent again."""
    if bool(event_ids) == resume_all:
        raise click.UsageError("Say which: one or more Event IDs, or --all.")
    begin_write()
    chosen = (
        suspension.list_suspended(limit=None)
        if resume_all
        else [queries.get_hook(event_id) for event_id in event_ids]
    )
    count = suspension.resume_all([hook for hook in chosen if hook.suspended_at])
    db.session.commit()
    resumed = [_hook(hook) for hook in chosen]
    print_answer(resumed, f"{count} request{'' if count == 1 else 's'} resumed.", as_json)


def _switch(event_id: str, *, active: bool, as_json: bool) -> None:
    begin_write()
    hook = queries.get_hook(event_id)
    hooks.set_active(hook, active)
    db.session.commit()
    print_answer(
        _hook_with_options(hook), f"{event_id} is {'enabled' if active else 'disabled'}.", as_json
    )


@group.command("clear")
@click.argument("pbx")
@click.argument("extension")
@click.argument("events", nargs=-1, metavar="[EVENT]...")
@json_option
@reports_errors
def clear_hooks(pbx: str, extension: str, events: tuple[str, ...], as_json: bool) -> None:
    """Remove the requests of an EXTENSION (* for all) for these EVENTs, or for every event."""
    wanted = {find_event(event) for event in events} or set(EventType)
    begin_write()
    found = pbxs.get_pbx(pbx)
    listed = queries.list_hooks(found, extensions.get_extension_by_number(found, extension))
    chosen = [hook for hook in listed if hook.event_type in wanted]
    removed = [_hook_with_options(hook) for hook in chosen]
    hooks.clear_hooks(chosen)
    db.session.commit()
    count = len(removed)
    print_answer(removed, f"{count} request{'' if count == 1 else 's'} removed.", as_json)


def _hook(hook: Hook) -> Values:
    return {
        "event_id": hook.event_id,
        "pbx": hook.pbx.slug,
        "extension": hook.extension.number if hook.extension else ALL_EXTENSIONS,
        "event": hook.event_type.slug,
        "method": hook.method,
        "url": hook.url,
        "active": hook.active,
        "suspended": hook.suspended_at is not None,
        "note": hook.note,
    }


def _hook_with_options(hook: Hook) -> Values:
    """Return the hook without its secrets."""
    options = to_values(read_options(hook))
    return {**_hook(hook), **options, "signed": bool(hook.signing_secret)}


def _print_hook(hook: Hook, text: str, secret: str | None, *, as_json: bool) -> None:
    """Print a hook, and its new signing secret if there is one."""
    values = _hook_with_options(hook)
    if secret:
        values["signing_secret"] = secret
        text += f"\nIts signing secret, shown this once:\n{secret}"
    print_answer(values, text, as_json)
