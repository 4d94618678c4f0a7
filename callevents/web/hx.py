"""The one module that knows htmx's headers, both ways."""

import json

from flask import Response, flash, redirect, request
from werkzeug.wrappers import Response as Answer

__all__ = ["Answer", "done", "fail", "go", "is_asking", "tell"]


def is_asking() -> bool:
    """Return whether htmx asks, and so wants a fragment."""
    return request.headers.get("HX-Request") == "true"


def done(message: str, url: str, *events: str) -> Answer:
    """End a dialog: say what happened, close it and raise the events; else go to the URL."""
    if not is_asking():
        flash(message)
        return redirect(url, code=303)
    return tell(Response(status=204), message, "dialog-close", *events)


def go(message: str, url: str) -> Answer:
    """Go to one of our own pages as a whole, which says what happened."""
    flash(message)
    if not is_asking():
        return redirect(url, code=303)
    response = Response(status=204)
    response.headers["HX-Redirect"] = url
    return response


def tell(response: Response, message: str, *events: str) -> Answer:
    """Add to an answer what it says in a toast, and the events it raises in the page."""
    return _raise(response, {event: {} for event in events} | {"toast": {"text": message}})


def fail(status: int, message: str) -> Answer:
    """Answer htmx with an error, said in a toast; the page stays as it is."""
    return _raise(Response(status=status), {"toast": {"text": message, "kind": "error"}})


def _raise(response: Response, events: dict[str, dict[str, str]]) -> Answer:
    # On body, because the element that asked may be gone by then.
    triggers = {event: {"target": "body", **detail} for event, detail in events.items()}
    response.headers["HX-Trigger"] = json.dumps(triggers)
    return response
