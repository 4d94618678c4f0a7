"""'Send test': sends the dialog's example request at once, without a delivery in the log.

A test blocks a thread of the web server, so their number is limited, to one for each user.
"""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from callevents import audit
from callevents.audit.targets import of_extension, of_hook, of_pbx
from callevents.db.session import begin_write
from callevents.delivery.http.client import HttpClient, Response
from callevents.delivery.request.build import Request, build_request
from callevents.delivery.request.load import read_signing, read_template
from callevents.delivery.request.masking import mask_address
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import app_state, cipher, db
from callevents.security.encryption import UnreadableError
from callevents.web.hook_form import HookForm, SigningChoice
from callevents.web.hook_table import Target
from callevents.web.request_preview import example_values, read_form

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


def send_test(form: HookForm, target: Target, user_id: int) -> TestResult:
    """Send the request for an example call, with the form's values; wait for the response."""
    try:
        with _acquire_slot(user_id):
            request = _build_request(form, target)
            # A slow receiver must not keep the transaction open.
            _record(target, request)
            with closing(HttpClient(app_state().settings)) as http_client:
                return TestResult(http_client.send(request))
    except (InvalidError, UnreadableError, ConflictError) as error:
        return TestResult(problem=str(error))


def _record(target: Target, request: Request) -> None:
    """Record the test and commit."""
    about = of_extension(target.extension) if target.extension else of_pbx(target.pbx)
    if target.hook:
        about = of_hook(target.hook, target.extension)
    values = {"event": target.event_type, "url": mask_address(request.url.partition("?")[0])}
    begin_write()
    audit.record(audit.Action.TEST_REQUEST_SENT, about, after=values)
    db.session.commit()


def _build_request(form: HookForm, target: Target) -> Request:
    """Return the request with its stored secrets; raises InvalidError, UnreadableError."""
    hook = target.hook
    kept = read_template(hook, cipher.bound) if hook else None
    _url, template = read_form(form, target, kept)
    values = example_values(target)
    signing = None
    if hook and form.signing.data != SigningChoice.REMOVE:
        signing = read_signing(hook, cipher.bound, dict(values)["DeliveryID"])
    return build_request(template, values, marks=TEST_PARAMETER, signing=signing)


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
