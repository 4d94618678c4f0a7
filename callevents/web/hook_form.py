"""The form of a hook."""

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Any

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

from callevents.db.models import GIVE_UP_SECONDS, Hook
from callevents.delivery.request.url import display_url, is_same_origin
from callevents.enums import AuthKind, BodyFormat, Method, ParameterSet
from callevents.errors import InvalidError
from callevents.hooks.hooks import HookData
from callevents.hooks.options import (
    GIVE_UP_CHOICES,
    Credentials,
    CustomHeader,
    HookOptions,
    read_options,
)
from callevents.hooks.validation import HEADER_FIELD, MAX_CUSTOM_HEADERS
from callevents.web.forms import BaseForm

EMPTY_HEADERS = 2

OPTION_FIELDS = (
    "give_up_seconds",
    "in_order",
    "body_format",
    "parameters",
    "headers",
    "auth",
    "username",
    "password",
    "token",
    "signing",
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


class HookForm(BaseForm):
    """The dialog of a hook: VoipNow's fields in their order, then the options.

    Stored secrets are never filled in. An empty field keeps the stored secret.
    """

    method = RadioField(
        "Request method",
        choices=[SelectChoice(method.value) for method in Method],
        default=Method.GET.value,
    )
    url = StringField("Make request to")
    active = BooleanField("This event is active", default=True)
    note = TextAreaField("Note")

    give_up_seconds = SelectField(
        "Give up after",
        choices=[
            SelectChoice(seconds, label) for seconds, (_name, label) in GIVE_UP_CHOICES.items()
        ],
        coerce=int,
        default=GIVE_UP_SECONDS,
    )
    in_order = BooleanField("Send requests of the same call in order", default=True)
    body_format = RadioField(
        "POST body",
        choices=[
            SelectChoice(BodyFormat.FORM.value, "Form"),
            SelectChoice(BodyFormat.JSON.value, "JSON"),
        ],
        default=BodyFormat.FORM.value,
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
    headers = FieldList(FormField(HeaderForm), "Custom headers")
    auth = RadioField(
        "Authentication",
        choices=[
            SelectChoice(AuthKind.NONE.value, "None"),
            SelectChoice(AuthKind.BASIC.value, "Basic"),
            SelectChoice(AuthKind.BEARER.value, "Bearer"),
        ],
        default=AuthKind.NONE.value,
    )
    username = StringField("Username")
    password = StringField("Password")
    token = StringField("Token")
    signing = RadioField("Signature", choices=[], default=SigningChoice.KEEP.value)

    #: Headers (names in lower case) and kind of credentials whose stored secrets can be kept.
    kept_headers: Collection[str] = ()
    kept_auth = AuthKind.NONE

    @classmethod
    def of(cls, submitted_form: Any, hook: Hook | None = None) -> "HookForm":
        """Return the form with the submitted values, else with the hook's, else with defaults."""
        form = cls(submitted_form, obj=hook, data={"headers": []})
        stored = read_options(hook).headers if hook else ()
        if hook and (submitted_form is None or is_same_origin(form.url.data or "", hook.url)):
            form.kept_headers = {header.name.lower() for header in stored}
            form.kept_auth = hook.auth
        if submitted_form is None and hook is not None:
            form.url.data = display_url(hook.url)
            for header in stored:
                form.headers.append_entry({"name": header.name})
        form._add_empty_headers()
        form.signing.choices = _signing_choices(is_signed=bool(hook and hook.signing_secret))
        return form

    def hook_data(self) -> HookData:
        """Return the entered values; raises ValueError if a choice is not one of the offered."""
        return HookData(
            url=self.url.data or "",
            method=Method(self.method.data),
            active=bool(self.active.data),
            note=self.note.data or "",
            options=self.options(),
        )

    def options(self) -> HookOptions:
        """Return the options of the form; raises ValueError for an invalid choice."""
        return HookOptions(
            self.give_up_seconds.data,
            bool(self.in_order.data),
            BodyFormat(self.body_format.data),
            ParameterSet(self.parameters.data),
            tuple(self._headers()),
            self._credentials(),
        )

    def add_errors(self, error: InvalidError) -> None:
        """Show each message next to its field, those about custom headers next to their rows."""
        others = dict(error.errors)
        for number, row in enumerate(self._filled_rows(), start=1):
            row.form.name.errors = others.pop(f"{HEADER_FIELD}{number}", [])
        super().add_errors(InvalidError(others))

    @property
    def has_options(self) -> bool:
        """True if the options differ from the defaults, or have errors."""
        if any(self[name].errors for name in OPTION_FIELDS):
            return True
        try:
            is_default = self.options() == HookOptions()
        except ValueError:
            return True
        choices = list(self.signing.choices or ())
        return not is_default or len(choices) > 2 or self.signing.data != SigningChoice.KEEP

    def _headers(self) -> Iterator[CustomHeader]:
        for row in self._filled_rows():
            yield CustomHeader(row.form.name.data or "", row.form.value.data or None)

    def _filled_rows(self) -> Iterator[Any]:
        for row in self.headers:
            if (row.form.name.data or "").strip() or (row.form.value.data or "").strip():
                yield row

    def _credentials(self) -> Credentials:
        kind = AuthKind(self.auth.data)
        if kind is AuthKind.BASIC:
            return Credentials(kind, self.username.data or "", self.password.data or None)
        return Credentials(kind, secret=self.token.data or None)

    def _add_empty_headers(self) -> None:
        """Add empty rows, so that headers can be added without JavaScript."""
        filled = len(list(self._filled_rows()))
        missing = min(filled + EMPTY_HEADERS, MAX_CUSTOM_HEADERS) - len(self.headers)
        for _ in range(missing):
            self.headers.append_entry()


def _signing_choices(*, is_signed: bool) -> list[SelectChoice]:
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
