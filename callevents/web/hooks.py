"""The call events of one extension, or of all: the table, the dialog, the toggle, clearing."""

from collections.abc import Sequence

from flask import Blueprint, abort, make_response, render_template, request, session, url_for
from flask_login import current_user

from callevents import directory, hooks, pbxs
from callevents.delivery import log
from callevents.delivery.request import preview as preview_request
from callevents.enums import TABLE_ORDER, EventType, Method
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.forms import EmptyForm, HookForm
from callevents.models import Extension, Hook, Pbx
from callevents.urls import check_url
from callevents.web import hx
from callevents.web.access import admins_only
from callevents.web.dialogs import edit, render_dialog
from callevents.web.home import LAST_PBX
from callevents.web.hx import Answer

bp = Blueprint("hooks", __name__, url_prefix="/pbxs/<slug>")

CHANGED = "hooks-changed"
#: Stands in addresses for all extensions.
ALL_KEY = "all"
#: Of the extension that an example call of 'All extensions' is about.
EXAMPLE_NUMBER = "101"


@bp.get("/extensions/<key>")
def index(slug: str, key: str) -> str:
    """Show the table of call events."""
    pbx, extension = _find(slug, key)
    session[LAST_PBX] = slug
    own = hooks.list_hooks(pbx, extension)
    template = "hooks/_table.html" if hx.is_asking() else "hooks/index.html"
    return render_template(
        template,
        pbx=pbx,
        extension=extension,
        key=key,
        rows=_by_type(own),
        last=log.last_deliveries(own),
        of_all=_by_type(hooks.list_hooks(pbx, None) if extension else []),
    )


@bp.route("/extensions/<key>/requests/new", methods=["GET", "POST"])
@admins_only
def add(slug: str, key: str) -> Answer:
    """Show the dialog of a new hook; create it."""
    pbx, extension = _find(slug, key)
    event_type = _event_type(request.args.get("event", ""))
    form = HookForm()

    def save() -> Answer:
        hooks.create_hook(pbx, extension, event_type, **_values(form))
        db.session.commit()
        message = f"{event_type.label}: the request is configured."
        return hx.done(message, url_for(".index", slug=slug, key=key), CHANGED)

    return edit(
        form, save, "hooks/edit.html", hook=None, **_context(pbx, extension, event_type, form)
    )


@bp.route("/requests/<event_id>", methods=["GET", "POST"])
def change(slug: str, event_id: str) -> Answer:
    """Show the dialog of a hook; change it."""
    pbx = pbxs.get_pbx(slug)
    hook = hooks.get_hook(event_id, pbx)
    if request.method == "POST" and not current_user.is_admin:
        abort(403)
    form = HookForm(obj=hook)

    def save() -> Answer:
        hooks.update_hook(hook, **_values(form))
        db.session.commit()
        message = f"{hook.event_type.label}: the request is saved."
        return hx.done(message, url_for(".index", slug=slug, key=_key(hook)), CHANGED)

    context = _context(pbx, hook.extension, hook.event_type, form, hook.event_id)
    return edit(form, save, "hooks/edit.html", hook=hook, **context)


@bp.post("/requests/<event_id>/active")
@admins_only
def set_active(slug: str, event_id: str) -> Answer:
    """Enable or disable the hook, as the button says."""
    pbx = pbxs.get_pbx(slug)
    hook = hooks.get_hook(event_id, pbx)
    wanted = request.form.get("active")
    if wanted not in {"yes", "no"}:
        abort(400, "The request does not say whether to enable or to disable.")
    hooks.set_active(hook, wanted == "yes")
    db.session.commit()
    message = f"{hook.event_type.label} is {'enabled' if hook.active else 'disabled'}."
    if hx.is_asking():
        fragment = render_template("hooks/_toggle.html", hook=hook, pbx=pbx)
        return hx.tell(make_response(fragment), message)
    back = url_for("extensions.index", slug=slug)
    if request.form.get("from") != "list":
        back = url_for(".index", slug=slug, key=_key(hook))
    return hx.done(message, back)


@bp.get("/requests/preview")
def preview(slug: str) -> str:
    """Show the request that would be made for an example call with the values as typed."""
    pbx = pbxs.get_pbx(slug)
    event_type = _event_type(request.args.get("event", ""))
    method = Method.POST if request.args.get("method") == Method.POST else Method.GET
    values = _preview(
        pbx,
        request.args.get("extension", "") or EXAMPLE_NUMBER,
        event_type,
        method,
        request.args.get("url", ""),
        request.args.get("event_id", ""),
    )
    return render_template("hooks/_preview.html", **values)


@bp.route("/extensions/<key>/clear", methods=["GET", "POST"])
@admins_only
def clear(slug: str, key: str) -> Answer:
    """Ask whether to remove the ticked requests, listing them; remove them."""
    pbx, extension = _find(slug, key)
    form = EmptyForm()
    chosen = _chosen(pbx, extension)
    if not chosen or not form.validate_on_submit():
        return render_dialog(
            "hooks/clear.html", pbx=pbx, extension=extension, key=key, hooks=chosen, form=form
        )
    count = hooks.clear_hooks(chosen)
    db.session.commit()
    message = "1 request is removed." if count == 1 else f"{count} requests are removed."
    return hx.done(message, url_for(".index", slug=slug, key=key), CHANGED)


def _find(slug: str, key: str) -> tuple[Pbx, Extension | None]:
    pbx = pbxs.get_pbx(slug)
    return pbx, None if key == ALL_KEY else directory.get_extension(pbx, key)


def _key(hook: Hook) -> str:
    return hook.extension_id or ALL_KEY


def _chosen(pbx: Pbx, extension: Extension | None) -> list[Hook]:
    """Return the ticked hooks, of this extension only."""
    ticked = set(request.values.getlist("request"))
    return [hook for hook in hooks.list_hooks(pbx, extension) if hook.event_id in ticked]


def _by_type(found: Sequence[Hook]) -> dict[EventType, list[Hook]]:
    return {
        event_type: [hook for hook in found if hook.event_type is event_type]
        for event_type in TABLE_ORDER
    }


def _event_type(slug: str) -> EventType:
    try:
        return EventType.from_slug(slug)
    except KeyError:
        abort(404, "There is no such event type.")


def _values(form: HookForm) -> dict[str, object]:
    return {
        "method": Method(form.method.data),
        "url": form.url.data or "",
        "active": form.active.data,
        "note": form.note.data or "",
    }


def _context(
    pbx: Pbx,
    extension: Extension | None,
    event_type: EventType,
    form: HookForm,
    event_id: str = "",
) -> dict[str, object]:
    number = extension.number if extension else EXAMPLE_NUMBER
    method = Method.POST if form.method.data == Method.POST else Method.GET
    return {
        "pbx": pbx,
        "extension": extension,
        "number": number,
        "event_type": event_type,
        "key": extension.id if extension else ALL_KEY,
        **_preview(pbx, number, event_type, method, form.url.data or "", event_id),
    }


def _preview(
    pbx: Pbx, number: str, event_type: EventType, method: Method, url: str, event_id: str
) -> dict[str, object]:
    """Return the example request, and the host's other form if it has two; none for a bad URL."""
    try:
        checked = check_url(url)
    except InvalidError as error:
        return {"request_text": "", "problem": str(error) if url.strip() else "", "hosts": None}
    example = preview_request(
        method,
        checked.url,
        event_type,
        pbx_slug=pbx.slug,
        extension=number,
        event_id=event_id,
    )
    hosts = (checked.display_host, checked.host) if checked.display_host != checked.host else None
    return {"request_text": example.as_text(), "problem": "", "hosts": hosts}
