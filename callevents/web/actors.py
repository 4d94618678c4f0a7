"""The actor of a web request, for the history: the user and the client's address."""

from flask import Flask, request

from callevents.audit.actor import Actor, ActorKind, set_finder
from callevents.web.login import find_current_user


def init_app(app: Flask) -> None:
    """Let the user act during each request."""
    app.before_request(_begin)
    app.teardown_request(_end)


def _begin() -> None:
    set_finder(_find_actor)


def _end(_error: BaseException | None) -> None:
    set_finder(None)


def _find_actor() -> Actor:
    """Return the current user, which a sign-in changes; without a name if nobody is signed in."""
    user, address = find_current_user(), request.remote_addr or ""
    if user is None:
        return Actor(ActorKind.USER, "", None, address)
    return Actor(ActorKind.USER, user.username, str(user.id), address)
