"""People without the right to do it, at every address of the application."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import requests

from tests.hostile.arena import Arena, Case
from tests.hostile.product import ADMIN, VIEWER
from tests.hostile.sample import Route, find_routes, picture
from tests.hostile.visitors import Visitor

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HTMX = {"HX-Request": "true"}
#: How a stranger may ask; a token of no PBX and a forged session are as good as none.
GUISES: Mapping[str, Mapping[str, str]] = {
    "plainly": {},
    "as htmx": HTMX,
    "with a forged session": {"Cookie": "callevents=eyJfdXNlcl9pZCI6IjEuMSJ9.aaaaaa.bbbbbbbb"},
}
#: What everybody may see. A new page that needs no sign-in has to be added here.
PUBLIC = {
    *("/static/app.css", "/sign-in", "/healthz", "/readyz"),
    *("/api/docs", "/api/v1/openapi.json"),
}
#: Addresses of former versions, which redirect before anything else.
MOVED = {"redirects.redirect_moved"}
#: Forms of apps go here; they are answered with a redirect to the same as a GET.
OF_APPS = "/oauth/authorize.php"
#: API clients authenticate with each request, and no browser sends that for another site.
NO_FORM = {
    "authorization.show_again",
    "ingest.receive",
    "oauth_token.issue",
    "uapi.create_event",
    *MOVED,
}
#: The management API takes tokens alone. A session is nothing to it.
OF_TOKENS = "api_v1."
#: A viewer's own tokens.
OWN_TOKENS = {"api_tokens.add", "api_tokens.revoke"}
#: What a viewer may do with the own account, and everybody without one.
OWN = (
    *("api_access.", OF_TOKENS),
    *("account.", "authorization.", "ingest.", "oauth_token.", "passkeys.", "redirects."),
    *("second_factor.", "sign_in_", "uapi.", "welcome."),
)
#: Viewers get these dialogs without a form.
SHOWN = {"hooks.change"}
#: Also what a viewer may do; the session that is named is an admin's and must stay.
OWN_SESSIONS = "sessions."
REFUSED = {400, 401, 403, 404, 405, 415}


class Wrong(NamedTuple):
    """A request's wrong proof that it comes from our page."""

    name: str
    fields: dict[str, str]
    headers: dict[str, str]
    query: str = ""


def anonymous_requests(arena: Arena) -> Iterator[Case]:
    """Each address with each method, without a session: a page forgets to ask who it is."""
    routes = find_routes(arena)
    before = picture(arena)
    with Visitor(arena.product) as stranger:
        for route in routes:
            for method in METHODS[:: arena.scale(1, 2)]:
                for guise, headers in list(GUISES.items())[: arena.scale(3, 1)]:
                    answer = stranger.ask(method, route.path, headers=dict(headers))
                    name = f"{method} {route.path} {guise}"
                    yield Case(name, _judge_anonymous(route, method, answer))
    yield _unchanged(arena, before)


def forged_forms(arena: Arena) -> Iterator[Case]:
    """Each form is sent from another site by an admin's browser: it changes something."""
    routes = [
        route
        for route in find_routes(arena)
        if "POST" in route.methods
        if route.endpoint not in NO_FORM and not route.endpoint.startswith(OF_TOKENS)
    ]
    with (
        Visitor(arena.product) as admin,
        Visitor(arena.product) as viewer,
        Visitor(arena.product) as stranger,
    ):
        admin.sign_in(ADMIN)
        viewer.sign_in(VIEWER)
        stranger.open("/sign-in")
        wrongs = list(_wrong_tokens(admin.csrf, viewer.csrf, stranger.csrf))
        before = picture(arena)
        for route in routes:
            for wrong in wrongs[:: arena.scale(1, 4)]:
                fields = {"name": "Forged", "active": "no", **wrong.fields}
                answer = admin.ask("POST", route.path + wrong.query, fields, wrong.headers)
                is_refused = answer.status_code in {400, 415}
                complaint = "" if is_refused else f"answered {answer.status_code}"
                yield Case(f"{route.path} with {wrong.name}", complaint)
        # The session was good all the time: with its own token the same form is read.
        right = admin.submit("/pbxs/new", name="")
        yield Case("its own token", "" if right.status_code == 422 else f"{right.status_code}")
    yield _unchanged(arena, before)


def viewers(arena: Arena) -> Iterator[Case]:
    """A viewer uses each form and each dialog: one of them forgets to ask for an admin."""
    with Visitor(arena.product) as viewer:
        viewer.sign_in(VIEWER)
        routes = find_routes(arena)
        before = picture(arena)
        for route in routes:
            is_own = route.endpoint.startswith(OWN) or route.endpoint in OWN_TOKENS
            if "POST" not in route.methods or is_own:
                continue
            fields = {"csrf_token": viewer.csrf, "name": "Forged", "active": "no"}
            for name, answer in (
                ("POST", viewer.ask("POST", route.path, fields)),
                ("POST as htmx", viewer.ask("POST", route.path, fields, HTMX)),
                (
                    "token as header",
                    viewer.ask("POST", route.path, {"active": "no"}, {"X-CSRFToken": viewer.csrf}),
                ),
            ):
                is_refused = answer.status_code == 403 or route.endpoint.startswith(OWN_SESSIONS)
                complaint = "" if is_refused else f"answered {answer.status_code}"
                yield Case(f"{name} {route.path}", complaint)
            if "GET" in route.methods:
                answer = viewer.ask("GET", route.path)
                expected = 200 if route.endpoint in SHOWN else 403
                is_right = answer.status_code == expected
                complaint = "" if is_right else f"answered {answer.status_code}"
                yield Case(f"GET {route.path}", complaint)
    yield _unchanged(arena, before)


def _wrong_tokens(own: str, viewers_token: str, strangers_token: str) -> Iterator[Wrong]:
    yield Wrong("no token", {}, {})
    yield Wrong("an empty token", {"csrf_token": ""}, {})
    yield Wrong("a wrong token", {"csrf_token": "wrong"}, {})
    yield Wrong("a stranger's token", {"csrf_token": strangers_token}, {})
    yield Wrong("a viewer's token", {"csrf_token": viewers_token}, {})
    yield Wrong("half a token", {"csrf_token": own[: len(own) // 2]}, {})
    yield Wrong("a changed token", {"csrf_token": own[:-9] + own[-9:].swapcase()}, {})
    yield Wrong("the token in the query", {}, {}, f"?csrf_token={own}")
    yield Wrong("the token as text", {"csrf_token": own}, {"Content-Type": "text/plain"})
    yield Wrong("a stranger's header", {}, {**HTMX, "X-CSRFToken": strangers_token})


def _judge_anonymous(route: Route, method: str, answer: requests.Response) -> str:
    status = answer.status_code
    location = answer.headers.get("Location") or answer.headers.get("HX-Redirect") or ""
    if status in REFUSED or location.endswith("/sign-in"):
        return ""
    if method == "OPTIONS" and status == 200 and not answer.content:
        return ""
    if route.path in PUBLIC and method in {"GET", "HEAD"} and status == 200:
        return ""
    if route.path == OF_APPS and status == 303 and location.startswith(OF_APPS):
        return ""
    if route.endpoint in MOVED and 300 <= status < 400 and location.startswith("/pbxs/target/"):
        return ""
    return f"answered {status} {location}"


def _unchanged(arena: Arena, before: list[Sequence[Any]]) -> Case:
    pairs = zip(before, picture(arena), strict=True)
    changed = [str({*old} ^ {*new}) for old, new in pairs if old != new]
    return Case("what is stored", " ".join(changed))


ATTACKS = (anonymous_requests, forged_forms, viewers)
