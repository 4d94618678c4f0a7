"""The one module that knows htmx's headers, both ways."""

import json
from typing import Any

from flask import Flask, Response, flash, g, make_response, redirect, request


def init_app(app: Flask) -> None:
    """Write the events that a view has told into its answer."""
    app.after_request(_write_events)


def is_htmx() -> bool:
    """Return whether htmx asks, and so a fragment is wanted."""
    return request.headers.get("HX-Request") == "true"


def is_requested_by(element_id: str) -> bool:
    """Return whether it is the element of that id that asks through htmx."""
    return is_htmx() and request.headers.get("HX-Source", "").endswith(f"#{element_id}")


def replace_url(url: str) -> None:
    """Put one of our own URLs into the browser's address bar."""
    g.hx_replace_url = url


def trigger(event: str, **detail: object) -> None:
    """Raise an event in the page once the answer has been swapped in."""
    # On body, because the element that asked may be gone by then.
    _events()[event] = {"target": "body", **detail}


def toast(text: str, kind: str = "done", **detail: object) -> None:
    """Say what happened: at once in a page that htmx keeps, else on the next page."""
    if is_htmx():
        trigger("toast", text=text, kind=kind, **detail)
    else:
        flash(text, kind)


def redirect_to(url: str, text: str = "") -> Any:
    """Go to one of our own pages as a whole, which says the text."""
    if text:
        flash(text, "done")
    if not is_htmx():
        return redirect(url, code=303)
    response = Response(status=204)
    response.headers["HX-Redirect"] = url
    return response


def load(url: str, target: str) -> Response:
    """Load one of our own URLs into the element of that id."""
    response = Response(status=204)
    where = {"path": url, "target": f"#{target}", "swap": "innerHTML", "push": "false"}
    response.headers["HX-Location"] = json.dumps(where)
    return response


def has_version(version: str) -> bool:
    """Return whether the page that polls has this version of the fragment already."""
    return is_htmx() and request.headers.get("HX-PTag") == version


def unchanged() -> Response:
    """Answer a poll that nothing has changed, so nothing is swapped."""
    return Response(status=304)


def versioned(page: str, version: str) -> Response:
    """Return what a page polls for, with its version."""
    response = make_response(page)
    response.headers["HX-PTag"] = version
    return response


def _events() -> dict[str, object]:
    if "hx_events" not in g:
        g.hx_events = {}
    events: dict[str, object] = g.hx_events
    return events


def _write_events(response: Response) -> Response:
    if is_htmx() and (events := _events()):
        response.headers["HX-Trigger"] = json.dumps(events)
    if is_htmx() and (url := g.get("hx_replace_url")):
        response.headers["HX-Replace-Url"] = url
    return response
