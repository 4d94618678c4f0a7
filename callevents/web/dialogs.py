"""Dialogs: a fragment for htmx, and for everybody else a page of its own with the same form."""

from typing import Any

from flask import Response, make_response, redirect, render_template, request
from werkzeug.datastructures import MultiDict

from callevents.web import htmx

#: The id of the element that dialogs are loaded into.
SLOT = "dialog"


def submitted_form() -> "MultiDict[str, str] | None":
    """Return what a form has sent; None if the form is only asked for."""
    return request.form if request.method == "POST" else None


def show(template: str, *, status: int = 200, **context: object) -> Response:
    """Return a dialog's content if htmx asks for it, else the same as a page of its own."""
    layout = "layouts/dialog.html" if htmx.is_htmx() else "layouts/dialog_page.html"
    page = render_template(template, layout=layout, in_dialog=htmx.is_htmx(), **context)
    return make_response(page, status)


def finish(text: str, url: str, *events: str) -> Any:
    """End a dialog: say what happened, close it and raise the events; else go to the URL."""
    htmx.toast(text)
    if not htmx.is_htmx():
        return redirect(url, code=303)
    for event in ("dialog-close", *events):
        htmx.trigger(event)
    return Response(status=204)


def load(url: str) -> Any:
    """Show the dialog at one of our own URLs instead of this one; else go to its page."""
    return htmx.load(url, SLOT) if htmx.is_htmx() else redirect(url, code=303)
