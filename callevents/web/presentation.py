"""What templates use: shortened URLs and ids, times, assets with their version."""

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, current_app, url_for

from callevents import pbxs
from callevents.enums import TABLE_ORDER, DeliveryState, Method
from callevents.models import MAX_NOTE_LENGTH, Delivery, Hook, utc_now
from callevents.urls import display_url

LONGEST_URL = 44
LONGEST_TAIL = 16


def init_app(app: Flask) -> None:
    """Give templates these filters and names."""
    for function in (short_url, short_id, exact, iso, state_of, status_of):
        app.add_template_filter(function)
    app.add_template_filter(display_url)
    app.add_template_global(asset)
    app.add_template_global(utc_now, "now")
    app.add_template_global(pbxs.list_pbxs, "all_pbxs")
    app.jinja_env.globals.update(
        TABLE_ORDER=TABLE_ORDER, Method=Method, MAX_NOTE_LENGTH=MAX_NOTE_LENGTH
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True


def asset(filename: str) -> str:
    """Return the URL of a static file, with its version, so that browsers may keep it."""
    return url_for("static", filename=filename, v=_version(filename, current_app.static_folder))


@cache
def _version(filename: str, folder: str) -> str:
    return sha256((Path(folder) / filename).read_bytes()).hexdigest()[:12]


def short_url(url: str) -> str:
    """Return a long URL with its host and its end; its middle gives way."""
    url = display_url(url)
    if len(url) <= LONGEST_URL:
        return url
    parts = urlsplit(url)
    head = f"{parts.scheme}://{parts.netloc}"
    tail = url[len(head) :].partition("?")[0].rpartition("/")[2] or url[-LONGEST_TAIL:]
    if len(tail) > LONGEST_TAIL:
        tail = "…" + tail[-LONGEST_TAIL:]
    return f"{head}/…/{tail}"


def short_id(text: str) -> str:
    """Return an id's beginning and end."""
    return f"{text[:4]}…{text[-4:]}"


def exact(moment: datetime) -> str:
    """Return the moment in UTC, to the millisecond, for people."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03} UTC"


def iso(moment: datetime) -> str:
    """Return the moment as HTML's time element has it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def state_of(delivery: Delivery) -> str:
    """Return the delivery's state as people see it; pending ones wait, run, or are retried."""
    if delivery.state is not DeliveryState.PENDING:
        return delivery.state.value
    if delivery.claimed_at is not None and delivery.due_at > utc_now():
        return "sending"
    return "retrying" if delivery.attempts else "waiting"


def status_of(hooks: list[Hook]) -> str:
    """Return the state of an event's hooks together: enabled, disabled, mixed, none."""
    if not hooks:
        return "none"
    if all(hook.active for hook in hooks):
        return "enabled"
    return "mixed" if any(hook.active for hook in hooks) else "disabled"
