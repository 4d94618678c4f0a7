"""Jinja filters and globals, and the context of the layout."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from math import floor
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, request, url_for
from flask import session as cookie
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from callevents.api_access.scopes import RESERVED_SCOPES, V1_SCOPES
from callevents.conditions import Conditions, describe
from callevents.counted import counted
from callevents.db.models import MAX_NOTE_LENGTH, Hook, Pbx
from callevents.delivery.log.filters import phase_of
from callevents.delivery.log.wait_reason import describe_hold, find_blocking_origin
from callevents.delivery.request.masking import mask_address
from callevents.delivery.request.option_texts import format_answers, format_maps
from callevents.delivery.request.placeholders import VALUE_NAMES
from callevents.delivery.request.receiver import read_values
from callevents.delivery.request.url import display_url
from callevents.enums import TABLE_ORDER, Right
from callevents.extensions import app_state
from callevents.pbxs import pbxs
from callevents.web import shown_numbers
from callevents.web.access import scope_of
from callevents.web.errors import find_error_response
from callevents.web.login import LAST_PBX_KEY, find_current_user
from callevents.web.relying_party import find_relying_party

THEMES = ("system", "light", "dark")
THEME_COOKIE = "callevents_theme"
ICONS = "vendor/bootstrap-icons-1.13.2/icons.svg"
#: Characters at the end of a URL that stay visible when its middle is truncated.
URL_END_LENGTH = 22


def init_app(app: Flask) -> None:
    """Register filters, globals and the context of the layout."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    numbers = (counted, duration, percent)
    texts = (moment, short_id, url_parts, url_after, masked_url, short_scopes)
    facts = (phase_of, find_blocking_origin, describe_hold, hooks_status)
    options = (describe_conditions, format_maps, format_answers)
    for text_filter in (*numbers, *texts, *facts, *options):
        app.jinja_env.filters[text_filter.__name__] = text_filter
    for function in (asset, icon, csrf_field):
        app.jinja_env.globals[function.__name__] = function
    app.jinja_env.filters["receiver_values"] = read_values
    app.jinja_env.globals["TABLE_ORDER"] = TABLE_ORDER
    app.jinja_env.globals["MAX_NOTE_LENGTH"] = MAX_NOTE_LENGTH
    app.jinja_env.globals["VALUE_NAMES"] = VALUE_NAMES
    shown_numbers.init_app(app)
    app.context_processor(_layout_context)
    app.after_request(_remember_pbx)


def asset(filename: str) -> str:
    """Return the URL of a static file, which changes with its content."""
    folder = current_app.static_folder or ""
    return url_for("static", filename=filename, v=_digest(Path(folder) / filename))


@cache
def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:12]


def icon(name: str, kind: str = "") -> Markup:
    """Return an icon that screen readers ignore."""
    return Markup('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>').format(
        kind, asset(ICONS), name
    )


def csrf_field() -> Markup:
    """Return the hidden field with the CSRF token."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())


def moment(when: datetime, style: str = "ago") -> Markup:
    """Return a <time> element in UTC; a script converts it to the reader's time zone.

    Styles: `ago`, `in` (future), `clock` (with milliseconds), `minute` (the time only), `full`.
    """
    utc = when.astimezone(UTC)
    milliseconds = f"{utc.microsecond // 1000:03}"
    return Markup('<time datetime="{}" title="{}" data-time="{}">{}</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%S}.{milliseconds}Z",
        f"{utc:%Y-%m-%d %H:%M:%S}.{milliseconds} UTC",
        style,
        f"{utc:%H:%M}" if style == "minute" else f"{utc:%Y-%m-%d %H:%M:%S} UTC",
    )


def duration(milliseconds: float) -> str:
    """Format a duration with two digits: 38 ms, 1.2 s, 15 min, 3.5 h."""
    units = (("h", 3_600_000), ("min", 60_000), ("s", 1000))
    unit, size = next(
        ((unit, size) for unit, size in units if round(milliseconds) >= size), ("ms", 1)
    )
    amount = milliseconds / size
    return f"{amount:.0f} {unit}" if amount >= 10 else f"{round(amount, 1):g} {unit}"


def percent(share: float) -> str:
    """Format a share (0 to 1) in per cent, rounded down so that only 1 gives 100 %."""
    return f"{floor(share * 1000) / 10:.1f} %" if share < 1 else "100 %"


def short_id(text: str) -> str:
    """Return the beginning and the end of an ID."""
    return f"{text[:4]}…{text[-4:]}"


def short_scopes(stored: str) -> list[str]:
    """Return the scopes of a token or an app; 'all' stands for all of the management API."""
    found = stored.split()
    if not set(found) >= set(V1_SCOPES) - RESERVED_SCOPES:
        return found
    return ["all", *(name for name in found if name not in V1_SCOPES)]


def masked_url(url: str) -> str:
    """Return the URL for display, with values that look secret masked."""
    return display_url(mask_address(url))


def url_parts(url: str) -> tuple[str, str]:
    """Split a URL for display: the first part may be truncated, the second stays visible."""
    shown = masked_url(url)
    parts = urlsplit(shown)
    host_end = len(f"{parts.scheme}://{parts.netloc}")
    last_part = shown.partition("?")[0].rfind("/")
    cut = last_part if len(shown) - last_part <= URL_END_LENGTH else len(shown) - URL_END_LENGTH
    cut = max(host_end, cut)
    return shown[:cut], shown[cut:]


def url_after(url: str, address: str) -> str | None:
    """Return what a URL for display has after the address; None if it begins with another one."""
    shown, beginning = masked_url(url), masked_url(address)
    return shown.removeprefix(beginning) if shown.startswith(beginning) else None


def describe_conditions(hook: Hook, max_items: int | None = None) -> str:
    """Return the conditions of a hook in words, empty without any."""
    return describe(Conditions.read(hook.conditions), max_items)


def hooks_status(hooks: Sequence[Hook]) -> str:
    """Return the status of the hooks of one event type, for its icon.

    `none`, `enabled`, `disabled`, `mixed`, or `suspended` if an active hook is suspended.
    """
    if not hooks:
        return "none"
    if any(hook.active and hook.suspended_at for hook in hooks):
        return "suspended"
    states = {hook.active for hook in hooks}
    return "mixed" if len(states) == 2 else "enabled" if hooks[0].active else "disabled"


def find_last_pbx(known: Sequence[Pbx]) -> Pbx | None:
    """Return the PBX that was viewed last, else the first one, None without PBXs."""
    last = cookie.get(LAST_PBX_KEY)
    return next((pbx for pbx in known if pbx.slug == last), known[0] if known else None)


def _layout_context() -> dict[str, object]:
    """Return the context of the layout; the functions run only on pages with a bar."""

    @cache
    def all_pbxs() -> Sequence[Pbx]:
        return pbxs.list_pbxs(scope_of(Right.SEE)) if find_current_user() else ()

    @cache
    def current_pbx() -> Pbx | None:
        slug = (request.view_args or {}).get("slug")
        found = next((pbx for pbx in all_pbxs() if pbx.slug == slug), None)
        return found or find_last_pbx(all_pbxs())

    settings = app_state().settings
    theme = request.cookies.get(THEME_COOKIE, "")
    return {
        "all_pbxs": all_pbxs,
        "current_pbx": current_pbx,
        "passkeys_possible": lambda: find_relying_party() is not None,
        "local_passwords": settings.local_passwords,
        "break_glass_user": settings.break_glass_user,
        "oidc_providers": settings.oidc_providers,
        "theme": theme if theme in THEMES else "system",
        "themes": THEMES,
    }


def _remember_pbx(response: Response) -> Response:
    """Remember the PBX that was viewed last in the session."""
    slug = (request.view_args or {}).get("slug")
    is_page = request.method == "GET" and response.status_code == 200 and not find_error_response()
    if slug and is_page and cookie.get(LAST_PBX_KEY) != slug:
        cookie[LAST_PBX_KEY] = slug
    return response
