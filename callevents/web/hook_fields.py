"""The fields of a hook's options in its dialog."""

from enum import StrEnum

from wtforms import (
    BooleanField,
    FieldList,
    Form,
    FormField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.db.models import GIVE_UP_SECONDS
from callevents.enums import AuthKind, BodyFormat, HookScope, MissingAnswer, ParameterSet
from callevents.hooks.options import GIVE_UP_CHOICES
from callevents.web.condition_fields import CONDITION_FIELDS, ConditionFields

#: Content types that the dialog suggests for a template.
CONTENT_TYPES = (
    "application/json",
    "text/plain; charset=utf-8",
    "application/xml",
    "application/x-www-form-urlencoded",
)
#: Placeholders with filters, and what they send.
FILTER_EXAMPLES = (
    ("{CallerIDNum|e164}", "the number as +40721000001"),
    ("{EventTime|in:Europe/Bucharest|date:%d.%m.%Y %H:%M}", "the time on the clocks there"),
    ("{EventTime|unix}", "seconds since 1970; unix_ms: milliseconds"),
    ("{Duration|minutes}", "minutes; also hours and ms"),
    ("{Duration|number}", "a number without quotes, in JSON"),
    ("{CallerIDName|json}", "a text with its quotes, in JSON"),
    ("{CallerIDName|or:unknown}", "another text if it is empty"),
    ("{CallFlow|map:direction}", "what the value map says"),
    ("{EventType|upper}", "capitals; lower: small letters"),
    ("{CallerIDName|html}", "escaped for HTML"),
)
#: The filter of requests that have a receiver, whose user map it uses.
USER_EXAMPLE = ("{Extension|user}", "the user of the extension in the receiver")
#: All options: the section of the dialog is open if one of them has an error.
OPTION_FIELDS = (
    *("give_up_seconds", "in_order", "body_format", "parameters", "headers"),
    *("receiver", "auth", "username", "password", "scheme", "token", "signing"),
    *("content_type", "body_template", "value_maps", "scope", "answers", "missing_answer"),
    *CONDITION_FIELDS,
)


class SigningChoice(StrEnum):
    """The action on a hook's signing secret."""

    KEEP = "keep"
    NEW = "new"
    REMOVE = "remove"


class HeaderForm(Form):
    """A row for a custom header. A row without a name is ignored."""

    name = StringField("Name")
    value = StringField("Value")


class OptionFields(ConditionFields):
    """The options of a hook: when it is sent, body, authentication, delivery."""

    content_types = CONTENT_TYPES
    filter_examples = FILTER_EXAMPLES
    user_example = USER_EXAMPLE

    receiver = SelectField("Receiver", choices=[], default="")
    scope = RadioField(
        "Send",
        choices=[
            SelectChoice(HookScope.EXTENSION.value, "For each extension"),
            SelectChoice(HookScope.CALL.value, "Once per call"),
        ],
        default=HookScope.EXTENSION.value,
    )
    parameters = RadioField(
        "Parameters",
        choices=[
            SelectChoice(ParameterSet.ALL.value, "All"),
            SelectChoice(ParameterSet.VOIPNOW.value, "VoipNow's ten"),
            SelectChoice(ParameterSet.NONE.value, "None"),
        ],
        default=ParameterSet.ALL.value,
    )
    body_format = RadioField(
        "Body",
        choices=[
            SelectChoice(BodyFormat.FORM.value, "Form"),
            SelectChoice(BodyFormat.JSON.value, "JSON"),
            SelectChoice(BodyFormat.TEMPLATE.value, "Template"),
        ],
        default=BodyFormat.FORM.value,
    )
    content_type = StringField("Content type", default=CONTENT_TYPES[0])
    body_template = TextAreaField("Template")
    value_maps = TextAreaField("Value maps")
    headers = FieldList(FormField(HeaderForm), "Custom headers")
    auth = RadioField("Authentication", choices=[], default=AuthKind.NONE.value)
    username = StringField("Username")
    password = StringField("Password")
    scheme = StringField("Scheme")
    token = StringField("Token")
    signing = RadioField("Signature", choices=[], default=SigningChoice.KEEP.value)
    answers = TextAreaField("Keep from the answer")
    missing_answer = RadioField(
        "If a kept value is missing",
        choices=[
            SelectChoice(MissingAnswer.FAIL.value, "Fail"),
            SelectChoice(MissingAnswer.OMIT.value, "Send it empty"),
        ],
        default=MissingAnswer.FAIL.value,
    )
    give_up_seconds = SelectField(
        "Give up after",
        choices=[
            SelectChoice(seconds, label) for seconds, (_name, label) in GIVE_UP_CHOICES.items()
        ],
        coerce=int,
        default=GIVE_UP_SECONDS,
    )
    in_order = BooleanField("Send requests of the same call in order", default=True)


def auth_choices(*, has_receiver: bool) -> list[SelectChoice]:
    """Return the kinds of authentication that a hook can have."""
    choices = [
        SelectChoice(AuthKind.NONE.value, "None"),
        SelectChoice(AuthKind.BASIC.value, "Basic"),
        SelectChoice(AuthKind.BEARER.value, "Bearer"),
        SelectChoice(AuthKind.SCHEME.value, "Other scheme"),
    ]
    if has_receiver:
        choices.append(SelectChoice(AuthKind.RECEIVER.value, "That of the receiver"))
    return choices


def signing_choices(*, is_signed: bool) -> list[SelectChoice]:
    """Return what can be done with the signing secret."""
    if is_signed:
        return [
            SelectChoice(SigningChoice.KEEP.value, "Signed"),
            SelectChoice(SigningChoice.NEW.value, "New secret"),
            SelectChoice(SigningChoice.REMOVE.value, "Not signed"),
        ]
    return [
        SelectChoice(SigningChoice.KEEP.value, "Not signed"),
        SelectChoice(SigningChoice.NEW.value, "Signed"),
    ]
