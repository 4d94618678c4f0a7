"""The commands. Each prints for people, or JSON for programs with --json; errors are a sentence."""

import json
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import wraps
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError

from callevents import (
    database,
    directory,
    encryption,
    hooks,
    pbxs,
    server,
    signing_secrets,
    stored_secrets,
    supervisor,
    users,
    worker,
)
from callevents.config import Settings
from callevents.delivery import log
from callevents.enums import TABLE_ORDER, DeliveryState, EventType, Method, Role
from callevents.errors import CallEventsError, InvalidError, NotFoundError
from callevents.extensions import begin_write, cipher, db
from callevents.hooks import ALL_EXTENSIONS
from callevents.models import Delivery, Extension, Hook, Pbx, utc_now
from callevents.policy import GIVE_UP_CHOICES, read_policy
from callevents.policy_options import make_policy, policy_options
from callevents.reports import plain_name
from callevents.upkeep import retention

Values = dict[str, Any]
Command = Callable[..., Any]

pbx_group = AppGroup("pbx", help="PBXs, and the tokens with which they report.")
extensions_group = AppGroup("extensions", help="Extensions of a PBX.")
hooks_group = AppGroup("hooks", help="Requests that call events make.")
deliveries_group = AppGroup("deliveries", help="Call events on their way to receivers.")
users_group = AppGroup("users", help="People who may sign in.")
secrets_group = AppGroup("secrets", help="Keys of the secrets that requests have.")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def init_app(app: Flask) -> None:
    """Register the commands."""
    for group in (
        pbx_group,
        extensions_group,
        hooks_group,
        deliveries_group,
        users_group,
        secrets_group,
    ):
        app.cli.add_command(group)
    for command in (web, work, up, purge):
        app.cli.add_command(command)


def reports_errors(command: Command) -> Command:
    """Let the command end with a sentence where it raises one of our errors."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            _ensure_current()
            return command(*args, **kwargs)
        except InvalidError as error:
            raise click.ClickException("\n".join(_sentences(error))) from None
        except CallEventsError as error:
            raise click.ClickException(str(error)) from None
        except IntegrityError:
            raise click.ClickException(
                "Somebody else has changed the same at this moment. Please look, and try again."
            ) from None
        except (OperationalError, InterfaceError) as error:
            raise click.ClickException(f"The database does not answer: {error.orig}") from None

    return run


def _ensure_current() -> None:
    """Bring our own SQLite up to date; of another database, say that it is not."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy's documented way to the application
    if database.is_current(app):
        return
    if _settings().database_url:
        raise click.ClickException(
            "The database is not set up for this version. Run: flask db upgrade"
        )
    database.upgrade(app)


def _sentences(error: InvalidError) -> Iterable[str]:
    for field, group in error.errors.items():
        for sentence in group:
            yield f"{field}: {sentence}"


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
    _print({**_pbx(pbx), "token": token}, text, as_json)


@pbx_group.command("list")
@json_option
@reports_errors
def list_pbxs(as_json: bool) -> None:
    """List the PBXs."""
    _print_list(pbxs.list_pbxs(), _pbx, as_json)


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
    _print(_extension(extension), f"Extension {extension.number} is added.", as_json)


@extensions_group.command("list")
@click.argument("pbx")
@json_option
@reports_errors
def list_extensions(pbx: str, as_json: bool) -> None:
    """List the extensions of a PBX."""
    _print_list(directory.list_extensions(pbxs.get_pbx(pbx)), _extension, as_json)


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
        _event(event),
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
    _print_list(found, _hook_with_policy if as_json else _hook, as_json)


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


def _switch(event_id: str, *, active: bool, as_json: bool) -> None:
    begin_write()
    hook = hooks.get_hook(event_id)
    hooks.set_active(hook, active)
    db.session.commit()
    _print(
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
    wanted = {_event(event) for event in events} or set(EventType)
    begin_write()
    found = pbxs.get_pbx(pbx)
    listed = hooks.list_hooks(found, directory.get_extension_by_number(found, extension))
    chosen = [hook for hook in listed if hook.event_type in wanted]
    removed = [_hook_with_policy(hook) for hook in chosen]
    hooks.clear_hooks(chosen)
    db.session.commit()
    count = len(removed)
    _print(removed, f"{count} request{'' if count == 1 else 's'} removed.", as_json)


@deliveries_group.command("list")
@click.option(
    "--state", type=click.Choice(list(map(str, DeliveryState))), help="Only those in this state."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@reports_errors
def list_deliveries(state: DeliveryState | None, limit: int, as_json: bool) -> None:
    """List deliveries, newest first."""
    found = log.list_deliveries(state=DeliveryState(state) if state else None, limit=limit)
    _print_list(found, _delivery, as_json)


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
    _print(values, f"{user.username} may sign in as {user.role}.", as_json)


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
    settings = _settings()
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
    _print({"renewed": count, "unreadable": unreadable}, text, as_json)


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
    server.serve(_settings())


@click.command("worker")
@with_appcontext
def work() -> None:
    """Run a worker, which makes the requests."""
    raise SystemExit(worker.run(current_app._get_current_object()))  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy's documented way to the application


@click.command("up")
@with_appcontext
def up() -> None:
    """Run everything on this machine; what make run does."""
    raise SystemExit(supervisor.run(_settings()))


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
    before = utc_now() - (_age(age) if age else timedelta(days=_settings().retention_days))
    if not age and not _settings().retention_days:
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
    _print(totals, text, as_json)


def _age(text: str) -> timedelta:
    """Return the time that such a text names; raises click.UsageError."""
    units = {"d": "days", "h": "hours", "m": "minutes"}
    number, unit = text[:-1], units.get(text[-1:])
    if not (number.isascii() and number.isdigit() and unit) or len(number) > 6:
        raise click.UsageError(f"{text!r} is no age such as 30d, 12h or 90m.")
    return timedelta(**{unit: int(number)})


def _settings() -> Settings:
    settings: Settings = current_app.extensions["callevents_settings"]
    return settings


def _event(text: str) -> EventType:
    """Return the event type of a name, or a code; raises NotFoundError."""
    for event in TABLE_ORDER:
        if plain_name(text) in {plain_name(event.slug), str(event.value)}:
            return event
    names = ", ".join(event.slug for event in TABLE_ORDER)
    raise NotFoundError(f"There is no event {text!r}. The events are {names}.")


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
    _print(values, text, as_json)


def _delivery(delivery: Delivery) -> Values:
    return {
        "id": delivery.id,
        "pbx": delivery.pbx.slug,
        "event": delivery.call_event.event_type.slug,
        "extension": delivery.call_event.extension,
        "call_event_id": delivery.call_event_id,
        "event_id": delivery.hook_event_id,
        "method": delivery.method,
        "url": delivery.url,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "status_code": delivery.status_code,
        "error": delivery.error,
        "created_at": delivery.created_at.isoformat(timespec="milliseconds"),
    }


def _print(values: Any, text: str, as_json: bool) -> None:
    click.echo(json.dumps(values, indent=2, ensure_ascii=False) if as_json else text)


def _print_list(found: Iterable[Any], to_values: Callable[[Any], Values], as_json: bool) -> None:
    rows = [to_values(item) for item in found]
    _print(rows, _table(rows) if rows else "There are none.", as_json)


def _table(rows: list[Values]) -> str:
    """Return the rows as columns of text, with a head."""
    names = list(rows[0])
    cells = [names] + [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
