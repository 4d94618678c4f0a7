"""Request and response headers of htmx."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask import Flask, Response, flash, g, make_response, redirect, request

NO_ACTIONS: Mapping[str, str] = MappingProxyType({})


def init_app(app: Flask) -> None:
    """Send the events that a view triggers."""
    app.after_request(_write_events)


def is_htmx() -> bool:
    """Return True if the request comes from htmx, which expects a fragment."""
    return request.headers.get("HX-Request") == "true"


def is_requested_by(element_id: str) -> bool:
    """Return True if the element with that ID sent the request through htmx."""
    return is_htmx() and request.headers.get("HX-Source", "").endswith(f"#{element_id}")


def replace_url(url: str) -> None:
    """Replace the URL in the browser's address bar by one of our URLs."""
    g.hx_replace_url = url


def trigger(event: str, **detail: object) -> None:
    """Trigger an event in the page after the response has been swapped in."""
    # On the body, because the requesting element may be gone by then.
    _events()[event] = {"target": "body", **detail}


def toast(
    text: str, kind: str = "done", *, actions: Mapping[str, str] = NO_ACTIONS, **detail: object
) -> None:
    """Show a message: at once as a toast with htmx, else on the next page.

    `actions`: URLs to POST to, by the text of their button.
    """
    if is_htmx():
        trigger("toast", text=text, kind=kind, actions=dict(actions), **detail)
    else:
        _flash(text, kind, actions)


def _flash(text: str, kind: str, actions: Mapping[str, str]) -> None:
    flash({"text": text, "actions": dict(actions)} if actions else text, kind)  # type: ignore[arg-type]  # the template reads both


def redirect_to(url: str, text: str = "", actions: Mapping[str, str] = NO_ACTIONS) -> Any:
    """Redirect the whole page to one of our URLs, which shows the text, as `toast` does."""
    if text:
        _flash(text, "done", actions)
    if not is_htmx():
        return redirect(url, code=303)
    response = Response(status=204)
    response.headers["HX-Redirect"] = url
    return response


def load(url: str, target: str) -> Response:
    """Load one of our URLs into the element with that ID."""
    response = Response(status=204)
    where = {"path": url, "target": f"#{target}", "swap": "innerHTML", "push": "false"}
    response.headers["HX-Location"] = json.dumps(where)
    return response


def has_version(version: str) -> bool:
    """Return True if the polling page already has this version of the fragment."""
    return is_htmx() and request.headers.get("HX-PTag") == version


def unchanged() -> Response:
    """Return 304: nothing has changed, so nothing is swapped."""
    return Response(status=304)


def versioned(page: str, version: str) -> Response:
    """Return a polled fragment with its version."""
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
