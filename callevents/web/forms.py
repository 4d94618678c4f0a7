"""Forms: fields only. The domain validates the values."""

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
    """A form that shows validation errors of the domain next to its fields.

    The CSRF token of every request is checked before the view, so forms have no field for it.
    """

    def add_errors(self, error: InvalidError) -> None:
        """Show each message next to its field, and those of unknown fields above the form."""
        for name, messages in error.errors.items():
            if name in self._fields:
                field = self._fields[name]
                field.errors = [*field.errors, *messages]
            else:
                self.form_errors = [*self.form_errors, *messages]


class SignInForm(BaseForm):
    """The sign-in form."""

    username = StringField("Username")
    password = PasswordField("Password")


class PasswordForm(BaseForm):
    """The form that changes the user's own password."""

    current = PasswordField("Current password")
    new = PasswordField("New password")


class NewPasswordForm(BaseForm):
    """The form that sets a password with the link of an invitation or a reset."""

    password = PasswordField("New password")


class CodeForm(BaseForm):
    """The code of the second step of signing in."""

    code = StringField("Code")


class ConfirmForm(BaseForm):
    """The password that confirms a change of how the user signs in."""

    current = PasswordField("Current password")


class AppForm(ConfirmForm):
    """The first code of an authenticator app."""

    code = StringField("Code in the app")


class PasskeyForm(ConfirmForm):
    """The name of a new passkey."""

    name = StringField("Name")


class NameForm(BaseForm):
    """The name of a PBX or of an extension."""

    name = StringField("Name")


class PbxForm(NameForm):
    """A new PBX."""

    format = SelectField(
        "Report format",
        choices=[SelectChoice(format_.value, format_.label) for format_ in Format],
        default=Format.GENERIC.value,
        # The domain reports an unknown format.
        validate_choice=False,
    )


class ConfirmationForm(BaseForm):
    """The slug of the PBX to remove."""

    slug = StringField("Name of the PBX in URLs")


class QuotaForm(BaseForm):
    """The quotas of a PBX; an empty field is no limit."""

    max_events_per_minute = StringField("Call events a minute")
    max_open_deliveries = StringField("Waiting deliveries")
    max_extensions = StringField("Extensions")
    max_hooks = StringField("Requests")

    def texts(self) -> dict[str, str]:
        """Return what was entered, by the column of the quota."""
        return {name: field.data or "" for name, field in self._fields.items()}


class ExtensionForm(BaseForm):
    """A new extension."""

    number = StringField("Number")
    name = StringField("Name")


class TestEventForm(BaseForm):
    """A test event."""

    extension = StringField("Extension")
    event = SelectField(
        "Event type",
        choices=[SelectChoice(event.slug, event.label) for event in TABLE_ORDER],
        default=EventType.DIAL_IN.slug,
    )
