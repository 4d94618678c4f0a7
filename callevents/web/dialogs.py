"""Dialogs: a fragment for htmx, else a separate page with the same form."""

from collections.abc import Mapping
from typing import Any

from flask import Response, make_response, redirect, render_template, request
from werkzeug.datastructures import MultiDict

from callevents.web import htmx
from callevents.web.forms import BaseForm

#: The ID of the element that contains the dialog.
SLOT = "dialog"


def submitted_form() -> "MultiDict[str, str] | None":
    """Return the submitted form, None for GET."""
    return request.form if request.method == "POST" else None


def show(template: str, *, status: int = 200, **context: object) -> Response:
    """Return the dialog as a fragment for htmx, else as a page."""
    layout = "layouts/dialog.html" if htmx.is_htmx() else "layouts/dialog_page.html"
    page = render_template(template, layout=layout, in_dialog=htmx.is_htmx(), **context)
    return make_response(page, status)


def show_form(template: str, form: BaseForm, **context: object) -> Response:
    """Return the dialog of a form, as `form` in the template: with status 422 if it has errors."""
    return show(template, status=422 if form.errors else 200, form=form, **context)


def finish(
    text: str,
    url: str,
    *events: str,
    kind: str = "done",
    actions: Mapping[str, str] = htmx.NO_ACTIONS,
) -> Any:
    """Close the dialog, show a toast and trigger the events; without htmx, redirect to the URL."""
    htmx.toast(text, kind, actions=actions)
    if not htmx.is_htmx():
        return redirect(url, code=303)
    for event in ("dialog-close", *events):
        htmx.trigger(event)
    return Response(status=204)


def load(url: str) -> Any:
    """Replace this dialog by the one at one of our URLs; without htmx, redirect to its page."""
    return htmx.load(url, SLOT) if htmx.is_htmx() else redirect(url, code=303)
