"""Sends a hook's request for an example call at once, without a delivery in the log.

A test blocks a thread of the web server, so their number is limited, to one for each user.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from callevents import audit
from callevents.audit.targets import Target
from callevents.db.models import Hook
from callevents.db.session import begin_write, end_transaction
from callevents.delivery.http.client import HttpClient, Response
from callevents.delivery.oauth.token_answer import TokenError
from callevents.delivery.oauth.token_source import TokenSource
from callevents.delivery.request.build import Request
from callevents.delivery.request.load import read_signing
from callevents.delivery.request.masking import mask_address
from callevents.delivery.request.numbers import NumberPlan
from callevents.enums import EventType
from callevents.errors import ConflictError
from callevents.extensions import app_state, cipher, db
from callevents.hooks.preview import EXAMPLE_EXTENSION, example_call
from callevents.hooks.receiver import read_stored_template

#: An additional parameter that marks the request as a test.
TEST_PARAMETER = (("Test", "1"),)
MAX_CONCURRENT_TESTS = 4
MAX_BODY_SHOWN = 4000

_running: set[int] = set()
_lock = threading.Lock()


@dataclass(frozen=True)
class TestResult:
    """The response to a test, or the problem that prevented it."""

    response: Response | None = None
    problem: str = ""

    @property
    def body(self) -> str:
        """The beginning of the response body."""
        return self.response.body[:MAX_BODY_SHOWN] if self.response else ""

    @property
    def is_cut(self) -> bool:
        """True if the body is longer than what is shown."""
        response = self.response
        return response is not None and (response.truncated or len(response.body) > MAX_BODY_SHOWN)


def send_test(
    build: Callable[[], Request], about: Target, event_type: EventType, user_id: int
) -> Response:
    """Send the request that `build` returns; wait for the response.

    The test is recorded and committed before. Raises the same as `send_now`.
    """

    def record(request: Request) -> None:
        values = {"event": event_type, "url": shown_url(request)}
        audit.record(audit.Action.TEST_REQUEST_SENT, about, after=values)

    return send_now(build, user_id, record)


def send_now(
    build: Callable[[], Request], user_id: int, record: Callable[[Request], None]
) -> Response:
    """Send the request that `build` returns, after `record` and a commit; wait for the response.

    Raises ConflictError if the user, or the server, has too many such requests running, and all
    that `build` raises.
    """
    with _acquire_slot(user_id), closing(HttpClient(app_state().settings)) as http_client:
        request = _build_with_token(build, http_client)
        # A slow receiver must not keep the transaction open.
        begin_write()
        record(request)
        db.session.commit()
        return http_client.send(request)


def shown_url(request: Request) -> str:
    """Return the URL for the history: without query and secrets."""
    return mask_address(request.url.partition("?")[0])


def build_stored(hook: Hook) -> Request:
    """Return the test request of a hook as it is stored; raises UnreadableError."""
    call = example_call(
        hook.event_type,
        pbx_slug=hook.pbx.slug,
        extension=hook.extension.number if hook.extension else EXAMPLE_EXTENSION,
        event_id=hook.event_id,
        plan=NumberPlan.of(hook.pbx),
    )
    template = read_stored_template(hook, cipher.bound)
    signing = read_signing(hook, cipher.bound, call.delivery_id)
    return call.build(template, marks=TEST_PARAMETER, signing=signing)


def _build_with_token(build: Callable[[], Request], http_client: HttpClient) -> Request:
    """Return the request, with an access token if its receiver uses them.

    If there is none, that is the problem of the request.
    """
    request = build()
    if request.lacks_token_of is None or request.problem:
        return request
    tokens = TokenSource(db.engine, app_state().settings, http_client.send, threading.Event())
    # Otherwise the session would not see the token, and keep its transaction open meanwhile.
    end_transaction()
    try:
        tokens.get(request.lacks_token_of, retries=True)
    except TokenError as error:
        return replace(request, problem=str(error))
    return build()


@contextmanager
def _acquire_slot(user_id: int) -> Iterator[None]:
    """Reserve a slot for one test of the user; raises ConflictError if there is none."""
    with _lock:
        if user_id in _running:
            raise ConflictError("Your previous test is still running.")
        if len(_running) >= MAX_CONCURRENT_TESTS:
            raise ConflictError("Too many tests are running. Try again in a few seconds.")
        _running.add(user_id)
    try:
        yield
    finally:
        with _lock:
            _running.discard(user_id)
