"""'Send test': the example request of the dialog is made at once, beside the log.

It holds a thread of the web server, so each person has one at a time, and all have few.
"""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from callevents.delivery.http.client import HttpClient, Response
from callevents.delivery.request.build import Request, build_request
from callevents.delivery.request.load import read_signing, read_template
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import app_state, cipher, db
from callevents.security.encryption import UnreadableError
from callevents.web.hook_form import HookForm, SigningChoice
from callevents.web.hook_table import Target
from callevents.web.request_preview import example_values, read_form

#: Tells receivers that nothing has happened.
TEST_PARAMETER = (("Test", "1"),)
MAX_CONCURRENT_TESTS = 4
#: So many characters of the answer are shown.
MAX_BODY_SHOWN = 4000

_running: set[int] = set()
_lock = threading.Lock()


@dataclass(frozen=True)
class TestResult:
    """What came of a test, or the sentence why there was none."""

    answer: Response | None = None
    problem: str = ""

    @property
    def body(self) -> str:
        """The beginning of the answer's text."""
        return self.answer.body[:MAX_BODY_SHOWN] if self.answer else ""

    @property
    def is_cut(self) -> bool:
        """Whether there was more."""
        answer = self.answer
        return answer is not None and (answer.truncated or len(answer.body) > MAX_BODY_SHOWN)


def send_test(form: HookForm, target: Target, user_id: int) -> TestResult:
    """Make the request that the form's values make for an example call; wait for the answer."""
    try:
        with _acquire_slot(user_id):
            request = _build_request(form, target)
            # Nothing is read any more, and a slow receiver must not hold a transaction open.
            db.session.rollback()
            with closing(HttpClient(app_state().settings)) as http_client:
                return TestResult(http_client.send(request))
    except (InvalidError, UnreadableError, ConflictError) as error:
        return TestResult(problem=str(error))


def _build_request(form: HookForm, target: Target) -> Request:
    """Return the request, kept secrets included; raises InvalidError, UnreadableError."""
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
    """Take a turn and give it back; raises ConflictError if it is not the person's."""
    with _lock:
        if user_id in _running:
            raise ConflictError("A test of yours is still under way. Wait until it has ended.")
        if len(_running) >= MAX_CONCURRENT_TESTS:
            raise ConflictError("Others are testing now. Please try again in a few seconds.")
        _running.add(user_id)
    try:
        yield
    finally:
        with _lock:
            _running.discard(user_id)
