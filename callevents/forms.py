"""The forms. Rules beyond 'there must be something' belong to the use cases."""

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    PasswordField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)

from callevents.enums import TABLE_ORDER, Method
from callevents.errors import InvalidError


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form that shows the sentences of a use case beside its fields."""

    def show(self, error: InvalidError) -> None:
        """Put each sentence beside its field, and those of no field above the form."""
        for name, sentences in error.errors.items():
            field = self._fields.get(name)
            if field is None:
                self.form_errors.extend(sentences)
            else:
                field.errors = [*field.errors, *sentences]


class EmptyForm(Form):
    """Buttons that need nothing but the CSRF token."""


class SignInForm(Form):
    """Sign in."""

    username = StringField("Username", render_kw={"autocomplete": "username"})
    password = PasswordField("Password", render_kw={"autocomplete": "current-password"})


class PasswordForm(Form):
    """Change one's password."""

    current = PasswordField("Present password", render_kw={"autocomplete": "current-password"})
    new = PasswordField("New password", render_kw={"autocomplete": "new-password"})


class NameForm(Form):
    """The name of a PBX or an extension."""

    name = StringField("Name")


class ExtensionForm(Form):
    """A new extension."""

    number = StringField("Number")
    name = StringField("Name")


class HookForm(Form):
    """The dialog of a hook, in the original's order."""

    method = RadioField(
        "Request method", choices=[(method.value, method.value) for method in Method], default="GET"
    )
    url = StringField("Make request to")
    active = BooleanField("This event is active", default=True)
    note = TextAreaField("Note")


class TestEventForm(Form):
    """A test event."""

    #: It is no test case, whatever its name begins with.
    __test__ = False

    extension = StringField("Extension")
    event = SelectField(
        "Event type", choices=[(event.slug, event.label) for event in TABLE_ORDER]
    )
