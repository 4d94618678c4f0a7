"""Output, error handling and parsing of values, shared by all commands."""

import json
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import click
from flask import current_app
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError

from callevents.audit import acting_as
from callevents.cli.actor import find_actor
from callevents.config import PREFIX
from callevents.config.settings import Settings
from callevents.db import schema
from callevents.enums import TABLE_ORDER, EventType
from callevents.errors import CallEventsError, InvalidError, NotFoundError
from callevents.extensions import app_state
from callevents.ingest.field_values import normalize_name

Values = dict[str, Any]
Command = Callable[..., Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Change nothing; print what would change."
)


def handle_errors(command: Command) -> Command:
    """Make the command print expected errors as a message and exit with 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            _ensure_schema_is_current()
            with acting_as(find_actor()):
                return command(*args, **kwargs)
        except InvalidError as error:
            raise click.ClickException("\n".join(_messages(error))) from None
        except CallEventsError as error:
            raise click.ClickException(str(error)) from None
        except IntegrityError:
            raise click.ClickException(
                "Someone else changed this at the same time. Nothing was changed. Try again."
            ) from None
        except (OperationalError, InterfaceError) as error:
            raise click.ClickException(f"The database is unavailable: {error.orig}") from None

    return run


def _ensure_schema_is_current() -> None:
    """Migrate the SQLite file in the data folder; raise ClickException for any other database."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy's documented way to the application
    if schema.is_current(app):
        return
    if get_settings().database_url:
        raise click.ClickException(
            "The database is not set up for this version. Run: flask db upgrade"
        )
    if schema.is_empty(app):
        # Perhaps a setting that the others have was forgotten.
        click.echo(
            f"This is a new installation, with its data in {get_settings().data_dir.resolve()}. "
            f"To use another one, set {PREFIX}DATA_DIR to its data folder.",
            err=True,
        )
    schema.upgrade(app)


def _messages(error: InvalidError) -> Iterable[str]:
    for field, group in error.errors.items():
        for message in group:
            yield f"{field}: {message}"


def parse_duration(text: str) -> timedelta:
    """Return the duration of a text such as 30d, 12h or 90m; raises click.UsageError."""
    units = {"d": "days", "h": "hours", "m": "minutes"}
    number, unit = text[:-1], units.get(text[-1:])
    if not (number.isascii() and number.isdigit() and unit) or len(number) > 6:
        raise click.UsageError(f"Invalid duration {text!r} (use 30d, 12h or 90m).")
    return timedelta(**{unit: int(number)})


def read_secret(given: str | None) -> str | None:
    """Return the secret that an option gives; `-` reads it from standard input."""
    return sys.stdin.readline().strip() if given == "-" else given


def read_file(name: str) -> str:
    """Return the text of a file; `-` is standard input. Raises NotFoundError."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise NotFoundError(f"Cannot read {name}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise NotFoundError(f"Cannot read {name}: it is not text in UTF-8.") from None


def get_settings() -> Settings:
    """Return the application's settings."""
    return app_state().settings


def get_event_type(text: str) -> EventType:
    """Return the event type with this name or code; raises NotFoundError."""
    for event in TABLE_ORDER:
        if normalize_name(text) in {normalize_name(event.slug), str(event.value)}:
            return event
    names = ", ".join(event.slug for event in TABLE_ORDER)
    raise NotFoundError(f"Unknown event {text!r}. The events are {names}.")


def print_result(values: Any, text: str, as_json: bool) -> None:
    """Print the values as JSON if `as_json`, else the text."""
    click.echo(json.dumps(values, indent=2, ensure_ascii=False) if as_json else text)


def print_list(
    items: Iterable[Any],
    to_values: Callable[[Any], Values],
    as_json: bool,
    *,
    empty: str = "No results.",
) -> None:
    """Print the items as JSON if `as_json`, else as a table, or `empty` if there are none."""
    rows = [to_values(item) for item in items]
    print_result(rows, _table(rows) if rows else empty, as_json)


def _table(rows: list[Values]) -> str:
    """Return the rows as aligned columns with a header row."""
    names = list(rows[0])
    cells = [names] + [[to_text(row[name]) for name in names] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def to_text(value: Any) -> str:
    """Return the value as the commands print it without --json."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
