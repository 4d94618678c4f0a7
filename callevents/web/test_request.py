"""'Send test': sends the dialog's example request at once, with the values of the form."""

from dataclasses import replace
from functools import partial

from callevents.audit.targets import of_extension, of_hook, of_pbx
from callevents.delivery.request.build import Request
from callevents.delivery.request.load import read_signing
from callevents.enums import Right
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import cipher
from callevents.hooks import test_request
from callevents.hooks.receiver import NEEDS_PBX, read_receiver_template, read_stored_template
from callevents.hooks.test_request import TEST_PARAMETER, TestResult
from callevents.security.encryption import UnreadableError
from callevents.web.access import may
from callevents.web.hook_fields import SigningChoice
from callevents.web.hook_form import HookForm
from callevents.web.hook_table import Target
from callevents.web.request_preview import example_of, read_form


def send_test(form: HookForm, target: Target, user_id: int) -> TestResult:
    """Send the request for an example call, with the form's values; wait for the response."""
    about = of_extension(target.extension) if target.extension else of_pbx(target.pbx)
    if target.hook:
        about = of_hook(target.hook, target.extension)
    build = partial(_build_request, form, target)
    try:
        return TestResult(test_request.send_test(build, about, target.event_type, user_id))
    except (InvalidError, UnreadableError, ConflictError) as error:
        return TestResult(problem=str(error))


def _build_request(form: HookForm, target: Target) -> Request:
    """Return the request with its stored secrets; raises InvalidError, UnreadableError."""
    hook = target.hook
    uses_receiver = form.chosen_receiver is not None or (hook and hook.receiver_id is not None)
    if uses_receiver and not may(Right.EDIT, target.pbx):
        # Also if the form takes the request out of it: what is stored was meant for the receiver.
        raise InvalidError.of("receiver", NEEDS_PBX)
    kept = read_stored_template(hook, cipher.bound) if hook else None
    _url, template = read_form(form, target, kept)
    receiver = form.chosen_receiver
    if receiver is not None:
        of_receiver = read_receiver_template(receiver, target.pbx.id, cipher.bound)
        template = replace(template, receiver=of_receiver)
    elif template.receiver is not None:
        # The request had one until now.
        template = replace(template, receiver=None)
    call = example_of(target)
    signing = None
    if hook and form.signing.data != SigningChoice.REMOVE:
        signing = read_signing(hook, cipher.bound, call.delivery_id)
    return call.build(template, marks=TEST_PARAMETER, signing=signing)
