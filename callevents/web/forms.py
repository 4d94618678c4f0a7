"""The forms. Their fields only; the rules belong to the use cases, which say what is wrong."""

from wtforms import (
    Form,
    PasswordField,
    SelectField,
    StringField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.enums import TABLE_ORDER, EventType, Format
from callevents.errors import InvalidError


class BaseForm(Form):
    """A form that shows the sentences of use cases beside its fields.

    The CSRF token is checked for every request before, so no form has a field for it.
    """

    def add_errors(self, error: InvalidError) -> None:
        """Put each sentence beside its field, and those of no field above the form."""
        for name, sentences in error.errors.items():
            if name in self._fields:
                field = self._fields[name]
                field.errors = [*field.errors, *sentences]
            else:
                self.form_errors = [*self.form_errors, *sentences]


class SignInForm(BaseForm):
    """Who signs in."""

    username = StringField("Username")
    password = PasswordField("Password")


class PasswordForm(BaseForm):
    """Another password for oneself."""

    current = PasswordField("Present password")
    new = PasswordField("New password")


class NameForm(BaseForm):
    """The name of a PBX or of an extension."""

    name = StringField("Name")


class PbxForm(NameForm):
    """A new PBX."""

    format = SelectField(
        "How it reports",
        choices=[SelectChoice(format_.value, format_.label) for format_ in Format],
        default=Format.GENERIC.value,
        # The use case says what is wrong with another one.
        validate_choice=False,
    )


class ExtensionForm(BaseForm):
    """A new extension."""

    number = StringField("Number")
    name = StringField("Name")


class TestEventForm(BaseForm):
    """An example event to be sent the whole way."""

    extension = StringField("Extension")
    event = SelectField(
        "Event type",
        choices=[SelectChoice(event.slug, event.label) for event in TABLE_ORDER],
        default=EventType.DIAL_IN.slug,
    )
