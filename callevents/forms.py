"""The forms. Their fields only; the rules belong to the use cases, which say what is wrong."""

from typing import Any

from wtforms import (
    BooleanField,
    Form,
    PasswordField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.enums import TABLE_ORDER, EventType, Method
from callevents.errors import InvalidError


class SentenceForm(Form):
    """A form that shows the sentences of use cases beside its fields.

    The CSRF token is checked for every request before, so no form has a field for it.
    """

    def show(self, error: InvalidError) -> None:
        """Put each sentence beside its field, and those of no field above the form."""
        for name, sentences in error.errors.items():
            if name in self._fields:
                field = self._fields[name]
                field.errors = [*field.errors, *sentences]
            else:
                self.form_errors = [*self.form_errors, *sentences]


class SignInForm(SentenceForm):
    """Who signs in."""

    username = StringField("Username")
    password = PasswordField("Password")


class PasswordForm(SentenceForm):
    """Another password for oneself."""

    current = PasswordField("Present password")
    new = PasswordField("New password")


class NameForm(SentenceForm):
    """The name of a PBX or of an extension."""

    name = StringField("Name")


class ExtensionForm(SentenceForm):
    """A new extension."""

    number = StringField("Number")
    name = StringField("Name")


class HookForm(SentenceForm):
    """The dialog of a hook, in the original's order."""

    method = RadioField(
        "Request method",
        choices=[SelectChoice(method.value) for method in Method],
        default=Method.GET.value,
    )
    url = StringField("Make request to")
    active = BooleanField("This event is active", default=True)
    note = TextAreaField("Note")

    def values(self) -> dict[str, Any]:
        """Return what the use cases take."""
        return {
            "method": Method(self.method.data),
            "url": self.url.data or "",
            "active": bool(self.active.data),
            "note": self.note.data or "",
        }


class ExampleEventForm(SentenceForm):
    """An example event to be sent the whole way."""

    extension = StringField("Extension")
    event = SelectField(
        "Event type",
        choices=[SelectChoice(event.slug, event.label) for event in TABLE_ORDER],
        default=EventType.DIAL_IN.slug,
    )
