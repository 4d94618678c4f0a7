"""Commands for hooks: configure, list, enable, disable, clear."""

from collections.abc import Iterable
from typing import Any

import click
from flask.cli import AppGroup

from callevents.cli.hook_bulk_run import run_bulk
from callevents.cli.hook_options import hook_options, option_values, parse_options
from callevents.cli.hook_receiver import choose_receiver, receiver_choice
from callevents.cli.only_if import describe_rules
from callevents.cli.output import (
    Values,
    dry_run_option,
    get_event_type,
    handle_errors,
    json_option,
    print_list,
    print_result,
)
from callevents.cli.where import event_ids_argument, parse_where, read_selection, where_option
from callevents.counted import counted
from callevents.db.models import Hook
from callevents.db.models.hook import ALL_EXTENSIONS
from callevents.db.session import begin_write
from callevents.delivery.hold import count_waiting, describe_waiting
from callevents.delivery.request.masking import mask_address
from callevents.enums import AuthKind, EventType, Method
from callevents.extensions import db
from callevents.hooks import hooks, queries, signing_secret
from callevents.hooks.bulk.changes import SetActive
from callevents.hooks.bulk.clear import Clear
from callevents.hooks.history import record_shown_url
from callevents.hooks.options import read_options
from callevents.hooks.receiver import find_receiver, keeping_receivers
from callevents.jobs.waker import wake
from callevents.pbxs import extensions, pbxs

group = AppGroup("hooks", help="Configure the requests that call events trigger.")


@group.command("set")
@click.argument("pbx")
@click.argument("extension")
@click.argument("event")
@click.option("--url", required=True, help="URL of the request.")
@click.option(
    "--method",
    type=click.Choice(Method, case_sensitive=False),
    default=Method.GET,
    help="HTTP method; GET by default.",
)
@click.option("--note", default="", help="Free-text note.")
@click.option("--inactive", is_flag=True, help="Disable the request.")
@click.option("--add", is_flag=True, help="Add a request even if the event has one already.")
@receiver_choice
@hook_options
@click.option("--sign", is_flag=True, help="Sign the requests; a new secret is printed only once.")
@json_option
@handle_errors
def set_hook(
    pbx: str,
    extension: str,
    event: str,
    url: str,
    method: Method,
    note: str,
    inactive: bool,
    add: bool,
    receiver: str | None,
    no_receiver: bool,
    sign: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Configure a request and print its Event ID.

    The request is for an EVENT of an EXTENSION (* for all). If the event has one request already,
    it is replaced, unless you pass --add. Options that you omit get their defaults (GET, active,
    not signed ...), but a request of a receiver stays with it. With --sign, a signed request keeps
    its secret.
    """
    data = hooks.HookData(url, Method(method), not inactive, note, parse_options(**options))
    begin_write()
    found = pbxs.get_pbx(pbx)
    place, event_type = extensions.get_extension_by_number(found, extension), get_event_type(event)
    data = choose_receiver(
        data,
        None if add else queries.find_only_hook(found, place, event_type),
        name=receiver,
        has_none=no_receiver,
        keeps_auth=options["of_receiver"] is None
        and data.options.credentials.kind is AuthKind.NONE,
    )
    configure = hooks.create_hook if add else hooks.set_hook
    hook = configure(found, place, event_type, data)
    secret = _set_signing(hook, is_signed=sign)
    db.session.commit()
    if not as_json:
        # Scripts read the Event ID from standard output.
        click.echo(_describe(hook), err=True)
    _print_hook(hook, hook.event_id, secret, as_json=as_json)


def _describe(hook: Hook) -> str:
    values = to_values(hook)
    state = "enabled" if hook.active else "disabled"
    extension = "all extensions" if hook.extension is None else values["extension"]
    request = f"{values['method']} {values['url']}{describe_rules(hook)}"
    return f"{values['event']} of {extension}: {request}, {state}. Event ID:"


def _set_signing(hook: Hook, *, is_signed: bool) -> str | None:
    """Turn signing on or off; return the secret if it is new."""
    if is_signed:
        return None if hook.signing_secret else signing_secret.rotate_secret(hook)
    signing_secret.remove_secret(hook)
    return None


@group.command("rotate-secret")
@click.argument("event_id")
@json_option
@handle_errors
def rotate_secret(event_id: str, as_json: bool) -> None:
    """Generate a new signing secret and print it, only once.

    The previous secret, if there is one, stays valid for 24 hours.
    """
    begin_write()
    hook = queries.get_hook(event_id)
    secret = signing_secret.rotate_secret(hook)
    db.session.commit()
    _print_hook(hook, hook.event_id, secret, as_json=as_json)


@group.command("list")
@click.argument("pbx", required=False)
@click.option("--show-secrets", is_flag=True, help="Print URLs with the secrets in them.")
@where_option
@json_option
@handle_errors
def list_hooks(pbx: str | None, show_secrets: bool, where: tuple[str, ...], as_json: bool) -> None:
    """List the requests of one PBX, or of all, or those that --where chooses."""
    if show_secrets:
        begin_write()
    chosen = parse_where(where).conditions()
    found = queries.list_all_hooks(pbxs.get_pbx(pbx) if pbx else None, *chosen)
    if show_secrets:
        _record_revealed(found)
    describe = to_values_with_options if as_json else to_values
    with keeping_receivers(found):
        print_list(
            found,
            lambda hook: {**describe(hook), **({"url": hook.url} if show_secrets else {})},
            as_json,
        )


def _record_revealed(found: Iterable[Hook]) -> None:
    """Record the hooks whose URLs contain secrets, and commit, before these are printed."""
    for hook in found:
        record_shown_url(hook)
    db.session.commit()


@group.command("enable")
@event_ids_argument
@where_option
@dry_run_option
@json_option
@handle_errors
def enable_hooks(
    event_ids: tuple[str, ...], where: tuple[str, ...], dry_run: bool, as_json: bool
) -> None:
    """Enable requests, or all that --where chooses. Held deliveries go on."""
    if where or dry_run or len(event_ids) != 1:
        chosen = read_selection(event_ids, where)
        run_bulk(chosen, SetActive(active=True), "Enabled", dry_run=dry_run, as_json=as_json)
        return
    begin_write()
    hook = queries.get_hook(event_ids[0])
    released = hooks.set_active(hook, active=True)
    _commit()
    text = f"Enabled {hook.event_id}."
    if released:
        text += f" {describe_waiting(released)} {'goes' if released == 1 else 'go'} on."
    print_result({**to_values_with_options(hook), "released": released}, text, as_json)


@group.command("disable")
@event_ids_argument
@click.option("--cancel", is_flag=True, help="Cancel the waiting deliveries of one instead.")
@where_option
@dry_run_option
@json_option
@handle_errors
def disable_hooks(
    event_ids: tuple[str, ...],
    cancel: bool,
    where: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Disable requests, or all that --where chooses; hold what waits until you enable them."""
    if where or dry_run or len(event_ids) != 1:
        if cancel:
            raise click.UsageError("Pass --cancel with one Event ID and nothing else.")
        chosen = read_selection(event_ids, where)
        run_bulk(chosen, SetActive(active=False), "Disabled", dry_run=dry_run, as_json=as_json)
        return
    begin_write()
    hook = queries.get_hook(event_ids[0])
    held = hooks.set_active(hook, active=False)
    cancelled = hooks.cancel_held(hook) if cancel else 0
    _commit()
    text = f"Disabled {hook.event_id}."
    if held:
        text += f" {describe_waiting(held)} {'cancelled' if cancel else 'held'}."
    counts = {"held": 0 if cancel else held, "cancelled": cancelled}
    print_result({**to_values_with_options(hook), **counts}, text, as_json)


def _commit() -> None:
    db.session.commit()
    wake()


@group.command("clear")
@click.argument("pbx", required=False)
@click.argument("extension", required=False)
@click.argument("events", nargs=-1, metavar="[EVENT]...")
@where_option
@dry_run_option
@json_option
@handle_errors
def clear_hooks(
    pbx: str | None,
    extension: str | None,
    events: tuple[str, ...],
    where: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Clear requests. Their waiting deliveries are cancelled.

    Clears those of EXTENSION (* for all) for the given EVENTs, or for all events; or those that
    --where chooses. For 30 seconds, `undo` brings them back.
    """
    if where:
        if pbx:
            raise click.UsageError("Pass PBX and EXTENSION, or --where.")
        run_bulk(read_selection((), where), Clear(), "Cleared", dry_run=dry_run, as_json=as_json)
        return
    if pbx is None or extension is None or dry_run:
        raise click.UsageError("Pass PBX and EXTENSION, or --where, perhaps with --dry-run.")
    wanted = {get_event_type(event) for event in events} or set(EventType)
    begin_write()
    found = pbxs.get_pbx(pbx)
    listed = queries.list_hooks(found, extensions.get_extension_by_number(found, extension))
    chosen = [hook for hook in listed if hook.event_type in wanted]
    values = [
        {**to_values_with_options(hook), "waiting": count_waiting([hook.id])} for hook in chosen
    ]
    removed = hooks.clear_hooks(chosen)
    _commit()
    text = f"Cleared {counted(removed.hooks, 'request')}."
    if removed.waiting:
        text += f" {describe_waiting(removed.waiting)} cancelled."
    if removed.id:
        text += f"\nTo undo this within 30 seconds: flask hooks undo {removed.id}"
    print_result([{**one, "removal": removed.id} for one in values], text, as_json)


def to_values(hook: Hook) -> Values:
    """Return the hook as printed, without its options and secrets."""
    return {
        "event_id": hook.event_id,
        "pbx": hook.pbx.slug,
        "extension": hook.extension.number if hook.extension else ALL_EXTENSIONS,
        "event": hook.event_type.slug,
        "method": hook.method,
        "url": mask_address(hook.url),
        "active": hook.active,
        "suspended": hook.suspended_at is not None,
        "note": hook.note,
    }


def to_values_with_options(hook: Hook) -> Values:
    """Return the hook as printed, with its options, without secrets."""
    receiver = find_receiver(hook)
    return {
        **to_values(hook),
        "receiver": receiver.slug if receiver else "",
        **option_values(read_options(hook)),
        "signed": bool(hook.signing_secret),
    }


def _print_hook(hook: Hook, text: str, secret: str | None, *, as_json: bool) -> None:
    """Print a hook, and its new signing secret if there is one."""
    values = to_values_with_options(hook)
    if secret:
        values["signing_secret"] = secret
        text += f"\nSigning secret, shown only once:\n{secret}"
    print_result(values, text, as_json)
