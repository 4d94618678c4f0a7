"""The commands. Each prints for people, or JSON for programs with --json; errors are a sentence."""

from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from callevents import (
    directory,
    encryption,
    hooks,
    pbxs,
    server,
    signing_secrets,
    stored_secrets,
    supervisor,
    suspension,
    users,
    worker,
)
from callevents.cli import deliveries, upkeep
from callevents.cli.answers import (
    Values,
    find_event,
    find_settings,
    json_option,
    print_answer,
    print_list,
    reports_errors,
)
from callevents.enums import EventType, Method, Role
from callevents.extensions import begin_write, cipher, db
from callevents.hooks import ALL_EXTENSIONS
from callevents.models import Extension, Hook, Pbx
from callevents.policy import GIVE_UP_CHOICES, read_policy
from callevents.policy_options import make_policy, policy_options

pbx_group = AppGroup("pbx", help="PBXs, and the tokens with which they report.")
extensions_group = AppGroup("extensions", help="Extensions of a PBX.")
hooks_group = AppGroup("hooks", help="Requests that call events make.")
users_group = AppGroup("users", help="People who may sign in.")
secrets_group = AppGroup("secrets", help="Keys of the secrets that requests have.")


def init_app(app: Flask) -> None:
    """Register the commands."""
    for group in (
        pbx_group,
        extensions_group,
        hooks_group,
        deliveries.group,
        users_group,
        secrets_group,
    ):
        app.cli.add_command(group)
    for command in (web, work, up, upkeep.status, upkeep.purge):
        app.cli.add_command(command)


@pbx_group.command("add")
@click.argument("name")
@json_option
@reports_errors
def add_pbx(name: str, as_json: bool) -> None:
    """Add a PBX named NAME and print its ingest token, which cannot be printed again."""
    begin_write()
    pbx, token = pbxs.add_pbx(name)
    db.session.commit()
    text = (
        f"PBX {pbx.name!r} has the name {pbx.slug} in addresses and commands.\n"
        f"Its token, shown this once:\n{token}"
    )
    print_answer({**_pbx(pbx), "token": token}, text, as_json)


@pbx_group.command("list")
@json_option
@reports_errors
def list_pbxs(as_json: bool) -> None:
    """List the PBXs."""
    print_list(pbxs.list_pbxs(), _pbx, as_json)


@extensions_group.command("add")
@click.argument("pbx")
@click.argument("number")
@click.option("--name", default="", help="Whose it is, or what it is for.")
@json_option
@reports_errors
def add_extension(pbx: str, number: str, name: str, as_json: bool) -> None:
    """Add the extension NUMBER to a PBX."""
    begin_write()
    extension = directory.add_extension(pbxs.get_pbx(pbx), number, name)
    db.session.commit()
    print_answer(_extension(extension), f"Extension {extension.number} is added.", as_json)


@extensions_group.command("list")
@click.argument("pbx")
@json_option
@reports_errors
def list_extensions(pbx: str, as_json: bool) -> None:
    """List the extensions of a PBX."""
    print_list(directory.list_extensions(pbxs.get_pbx(pbx)), _extension, as_json)


@hooks_group.command("set")
@click.argument("pbx")
@click.argument("extension")
@click.argument("event")
@click.option("--url", required=True, help="Where the request goes.")
@click.option("--method", type=click.Choice(Method, case_sensitive=False), default=Method.GET)
@click.option("--note", default="", help="A note for people.")
@click.option("--inactive", is_flag=True, help="Do not enable it.")
@click.option("--add", is_flag=True, help="Add it beside the requests that the event has.")
@policy_options
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
    **policy: Any,
) -> None:
    """Configure the request for an EVENT of an EXTENSION (* for all); print its Event ID.

    Where the event has one request already, it becomes this one, unless --add is given: what is
    not named is as it is for a new one (GET, active, not signed ...). With --sign a request that is
    signed keeps its secret.
    """
    wanted = make_policy(**policy)
    begin_write()
    found = pbxs.get_pbx(pbx)
    configure = hooks.create_hook if add else hooks.set_hook
    hook = configure(
        found,
        directory.get_extension_by_number(found, extension),
        find_event(event),
        method=Method(method),
        url=url,
        active=not inactive,
        note=note,
        policy=wanted,
    )
    secret = _sign(hook, wanted=sign)
    db.session.commit()
    _print_hook(hook, hook.event_id, secret, as_json=as_json)


def _sign(hook: Hook, *, wanted: bool) -> str | None:
    """Sign the hook's requests or no longer; return the secret if it is new."""
    if wanted:
        return None if hook.signing_secret else signing_secrets.renew_secret(hook)
    signing_secrets.remove_secret(hook)
    return None


@hooks_group.command("rotate-secret")
@click.argument("event_id")
@json_option
@reports_errors
def rotate_secret(event_id: str, as_json: bool) -> None:
    """Make a new signing secret for the request with this Event ID, and print it this once.

    The one before, if there is one, signs too for 24 hours more.
    """
    begin_write()
    hook = hooks.get_hook(event_id)
    secret = signing_secrets.renew_secret(hook)
    db.session.commit()
    _print_hook(hook, hook.event_id, secret, as_json=as_json)


@hooks_group.command("list")
@click.argument("pbx", required=False)
@json_option
@reports_errors
def list_hooks(pbx: str | None, as_json: bool) -> None:
    """List the requests, of one PBX or of all."""
    found = hooks.list_all_hooks(pbxs.get_pbx(pbx) if pbx else None)
    print_list(found, _hook_with_policy if as_json else _hook, as_json)


@hooks_group.command("enable")
@click.argument("event_id")
@json_option
@reports_errors
def enable_hook(event_id: str, as_json: bool) -> None:
    """Enable the request with this Event ID."""
    _switch(event_id, active=True, as_json=as_json)


@hooks_group.command("disable")
@click.argument("event_id")
@json_option
@reports_errors
def disable_hook(event_id: str, as_json: bool) -> None:
    """Disable the request with this Event ID; what waits for it is cancelled."""
    _switch(event_id, active=False, as_json=as_json)


@hooks_group.command("resume")
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
        else [hooks.get_hook(event_id) for event_id in event_ids]
    )
    count = suspension.resume_all([hook for hook in chosen if hook.suspended_at])
    db.session.commit()
    resumed = [_hook(hook) for hook in chosen]
    print_answer(resumed, f"{count} request{'' if count == 1 else 's'} resumed.", as_json)


def _switch(event_id: str, *, active: bool, as_json: bool) -> None:
    begin_write()
    hook = hooks.get_hook(event_id)
    hooks.set_active(hook, active)
    db.session.commit()
    print_answer(
        _hook_with_policy(hook), f"{event_id} is {'enabled' if active else 'disabled'}.", as_json
    )


@hooks_group.command("clear")
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
    listed = hooks.list_hooks(found, directory.get_extension_by_number(found, extension))
    chosen = [hook for hook in listed if hook.event_type in wanted]
    removed = [_hook_with_policy(hook) for hook in chosen]
    hooks.clear_hooks(chosen)
    db.session.commit()
    count = len(removed)
    print_answer(removed, f"{count} request{'' if count == 1 else 's'} removed.", as_json)


@users_group.command("add")
@click.argument("username")
@click.option(
    "--role", type=click.Choice(list(map(str, Role))), default=str(Role.VIEWER), show_default=True
)
@click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    envvar="CALLEVENTS_USER_PASSWORD",
    help="Asked for if it is not given, here or in CALLEVENTS_USER_PASSWORD.",
)
@json_option
@reports_errors
def add_user(username: str, role: Role, password: str, as_json: bool) -> None:
    """Add somebody who may sign in."""
    begin_write()
    user = users.add_user(username, password, Role(role))
    db.session.commit()
    values = {"username": user.username, "role": user.role}
    print_answer(values, f"{user.username} may sign in as {user.role}.", as_json)


@secrets_group.command("make-key")
def make_key() -> None:
    """Print a new key for the setting CALLEVENTS_ENCRYPTION_KEYS."""
    click.echo(encryption.make_key())


@secrets_group.command("rotate")
@json_option
@reports_errors
def rotate_secrets(as_json: bool) -> None:
    """Encrypt all secrets anew with the first of the keys.

    Where the keys are in the data folder, a new one is made and put first.
    """
    settings = find_settings()
    is_ours = not settings.encryption_keys
    if is_ours:
        settings.add_encryption_key()
        cipher.bound.reload()
    count, unreadable = _renew_all()
    if is_ours and not unreadable:
        settings.drop_old_encryption_keys()
    text = f"The secrets of {count} request{'' if count == 1 else 's'} are encrypted anew."
    if unreadable:
        text += f"\nNo key decrypts those of: {', '.join(unreadable)}. Enter them again."
    print_answer({"renewed": count, "unreadable": unreadable}, text, as_json)


def _renew_all() -> tuple[int, list[str]]:
    """Return how many hooks have been renewed, and the Event IDs of those that could not be."""
    count, last_id = 0, 0
    unreadable: list[str] = []
    while True:
        begin_write()
        batch = stored_secrets.renew_batch(last_id)
        if batch is None:
            db.session.rollback()
            return count, unreadable
        db.session.commit()
        count, last_id = count + batch.count, batch.last_id
        unreadable += batch.unreadable


@click.command("web")
@with_appcontext
def web() -> None:
    """Run the web server: the pages and the ingest route."""
    server.serve(find_settings())


@click.command("worker")
@with_appcontext
def work() -> None:
    """Run a worker, which makes the requests."""
    raise SystemExit(worker.run(current_app._get_current_object()))  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy's documented way to the application


@click.command("up")
@with_appcontext
def up() -> None:
    """Run everything on this machine; what make run does."""
    raise SystemExit(supervisor.run(find_settings()))


def _pbx(pbx: Pbx) -> Values:
    return {"slug": pbx.slug, "name": pbx.name}


def _extension(extension: Extension) -> Values:
    return {"number": extension.number, "name": extension.name}


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


def _hook_with_policy(hook: Hook) -> Values:
    """Return the hook without its secrets."""
    policy = read_policy(hook)
    return {
        **_hook(hook),
        "give_up_after": GIVE_UP_CHOICES[policy.give_up_seconds][0],
        "in_order": policy.in_order,
        "body": policy.body_format,
        "parameters": policy.parameters,
        "headers": [header.name for header in policy.headers],
        "auth": policy.credentials.kind,
        "signed": bool(hook.signing_secret),
    }


def _print_hook(hook: Hook, text: str, secret: str | None, *, as_json: bool) -> None:
    """Print a hook, and its new signing secret if there is one."""
    values = _hook_with_policy(hook)
    if secret:
        values["signing_secret"] = secret
        text += f"\nIts signing secret, shown this once:\n{secret}"
    print_answer(values, text, as_json)
