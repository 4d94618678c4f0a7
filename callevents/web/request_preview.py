"""A preview of the request for an example call, from the values in the dialog."""

from dataclasses import dataclass, replace

from callevents.db.models import utc_now
from callevents.delivery.request.build import Request, RequestTemplate
from callevents.delivery.request.numbers import NumberPlan
from callevents.delivery.request.receiver import ReceiverTemplate
from callevents.delivery.request.signing import Signing
from callevents.delivery.request.url import ReceiverUrl, check_url
from callevents.enums import Method, Right
from callevents.errors import InvalidError
from callevents.extensions import cipher
from callevents.hooks.preview import ExampleCall, example_call, typed_template
from callevents.hooks.receiver import check_use, read_receiver_template
from callevents.hooks.validation import check_options
from callevents.security.encryption import UnreadableError
from callevents.web.access import may
from callevents.web.hook_fields import SigningChoice
from callevents.web.hook_form import HookForm
from callevents.web.hook_table import Target

#: Signs previews only.
EXAMPLE_SECRET = "whsec_" + "RXhhbXBsZSBvZiBhIHNlY3JldCwgZm9yIHBhZ2Vz"


@dataclass(frozen=True)
class Example:
    """The request for an example call as text, or the problem that prevents it."""

    text: str = ""
    problem: str = ""
    #: An internationalised host name as displayed and as sent; empty for others.
    host: str = ""
    wire_host: str = ""


def example_request(form: HookForm, target: Target) -> Example:
    """Return the request that the form's values would make for an example call."""
    if not form.entered_url:
        return Example()
    try:
        url, template = read_form(form, target)
    except InvalidError as error:
        return Example(problem=str(error))
    receiver = _find_receiver_template(form, target)
    request = _build_signed(form, target, replace(template, receiver=receiver))
    text = request.as_text(utc_now())
    if url.display_host == url.host:
        return Example(text)
    return Example(text, host=url.display_host, wire_host=url.host)


def read_form(
    form: HookForm, target: Target, kept: RequestTemplate | None = None
) -> tuple[ReceiverUrl, RequestTemplate]:
    """Return the URL and the template of the form; raises InvalidError.

    Stored secrets that are kept come from `kept`; without it they are empty.
    """
    url = check_url(form.entered_url)
    try:
        method = Method(form.method.data)
        options = check_options(
            form.options(),
            target.hook,
            url.url,
            event_type=target.event_type,
            has_receiver=form.chosen_receiver is not None,
        )
    except ValueError:
        raise InvalidError.of("form", "One of the choices is invalid.") from None
    # What is the receiver's goes to no other address.
    receiver = form.chosen_receiver
    check_use(target.pbx.id, receiver.id if receiver else None, url.url, options)
    return url, typed_template(method, url.url, options, kept)


def _find_receiver_template(form: HookForm, target: Target) -> ReceiverTemplate | None:
    """Return what the request takes from its receiver; None without one that can be decrypted."""
    if (receiver := form.chosen_receiver) is None:
        return None
    try:
        found = read_receiver_template(receiver, target.pbx.id, cipher.bound)
    except UnreadableError:
        return None
    if may(Right.SEE_PBX, target.pbx):
        return found
    # A value map could turn the example's number into that of another extension.
    own = {number: user for number, user in found.users.items() if number == target.number}
    return replace(found, users=own)


def _build_signed(form: HookForm, target: Target, template: RequestTemplate) -> Request:
    """Return the request; if it will be signed, it is signed with an example secret."""
    call = example_of(target)
    is_signed = bool(target.hook and target.hook.signing_secret)
    if form.signing.data != SigningChoice.KEEP:
        is_signed = form.signing.data == SigningChoice.NEW
    signing = Signing(call.delivery_id, EXAMPLE_SECRET) if is_signed else None
    return call.build(template, signing=signing)


def example_of(target: Target) -> ExampleCall:
    """Return the example call."""
    return example_call(
        target.event_type,
        pbx_slug=target.pbx.slug,
        extension=target.number,
        event_id=target.hook.event_id if target.hook else "",
        plan=NumberPlan.of(target.pbx),
    )
