"""The forms of receivers: the questions of a recipe, or address and authentication."""

from collections.abc import Mapping
from typing import Any, Self

from wtforms import Field, PasswordField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.db.models import Pbx, Receiver
from callevents.delivery.request.receiver import CREDENTIALS
from callevents.enums import ReceiverAuth, Right
from callevents.errors import InvalidError
from callevents.pbxs.pbxs import get_pbx, list_pbxs
from callevents.receivers.changing import ReceiverChanges
from callevents.receivers.credentials import FIELD as CREDENTIAL_FIELD
from callevents.receivers.data import ReceiverData
from callevents.receivers.making import ANSWER_FIELD, make_receiver
from callevents.receivers.recipes import Question, Recipe
from callevents.receivers.shown import shown_address, shown_credentials, shown_values
from callevents.security.masking import MASK
from callevents.web.access import may, scope_of
from callevents.web.forms import BaseForm

#: Prefixes of the names of fields.
ANSWER = "answer-"
MEMBER = "member-"
AUTH_LABELS = {
    ReceiverAuth.NONE: "None",
    ReceiverAuth.BASIC: "Username and password",
    ReceiverAuth.BEARER: "Bearer token",
    ReceiverAuth.SCHEME: "Other scheme",
    ReceiverAuth.HEADER: "API key in a header",
    ReceiverAuth.QUERY: "API key in the query",
    ReceiverAuth.CLIENT_CREDENTIALS: "OAuth 2.0 with client credentials",
    ReceiverAuth.REFRESH_TOKEN: "OAuth 2.0 with a refresh token",
}
MEMBER_LABELS = {
    "username": "Username",
    "password": "Password",
    "token": "Token",
    "name": "Name of the header or parameter",
    "value": "API key",
    "token_url": "URL that issues access tokens",
    "client_id": "Client ID",
    "client_secret": "Client secret",
    "refresh_token": "Refresh token",
    "scope": "Scope (optional)",
    "client_auth": "How the client authenticates: body or basic (optional)",
    "scheme": "Scheme (optional with OAuth 2.0: Bearer)",
    "secret": "What follows the scheme",
}
_SECRET_MEMBERS = frozenset().union(*(names.secret for names in CREDENTIALS.values()))
_MEMBERS = tuple(MEMBER_LABELS)


class ReceiverForm(BaseForm):
    """Name, limits, and for a new receiver the PBX; subclasses have more fields."""

    name = StringField("Name")
    pbx = SelectField("For", choices=[], validate_choice=False)
    max_in_flight = StringField("Requests at the same time")
    max_per_second = StringField("Requests a second")

    #: The fields of answers, or of the authentication.
    own_names: tuple[str, ...] = ()

    @property
    def own_fields(self) -> list[Field]:
        """The fields of the recipe's questions, in order."""
        return [self[name] for name in self.own_names]

    def add_errors(self, error: InvalidError) -> None:
        """Show each message next to its field."""
        renamed = {_field_name(name): texts for name, texts in error.errors.items()}
        super().add_errors(InvalidError(renamed))

    def find_pbx(self) -> Pbx | None:
        """Return the chosen PBX, None for all; raises InvalidError."""
        if not self.pbx.data:
            if not may(Right.ADMINISTER):
                raise InvalidError.of("pbx", "Choose a PBX.")
            return None
        pbx = get_pbx(self.pbx.data)
        if not may(Right.MANAGE, pbx):
            raise InvalidError.of("pbx", "Choose a PBX that you manage.")
        return pbx

    def find_limits(self) -> dict[str, Any]:
        """Return the limits, 0 for none; raises InvalidError."""
        return {
            "max_in_flight": _read_number(self.max_in_flight, int),
            "max_per_second": _read_number(self.max_per_second, float),
        }

    def offer_pbxs(self) -> None:
        """Offer the PBXs that the user manages."""
        manageable = [pbx for pbx in list_pbxs(scope_of(Right.MANAGE)) if may(Right.MANAGE, pbx)]
        choices = [SelectChoice(pbx.slug, f"{pbx.name} only") for pbx in manageable]
        if may(Right.ADMINISTER):
            choices.insert(0, SelectChoice("", "All PBXs"))
        self.pbx.choices = choices

    def _show(self, receiver: Receiver) -> None:
        """Fill in the stored values that every form has."""
        self.name.data = receiver.name
        self.max_in_flight.data = _text_of(receiver.max_in_flight)
        self.max_per_second.data = _text_of(receiver.max_per_second)


class RecipeForm(ReceiverForm):
    """The questions of a recipe."""

    @classmethod
    def of(cls, recipe: Recipe, submitted: Any, receiver: Receiver | None = None) -> Self:
        """Return the form with the submitted values, else with those of the receiver."""
        fields = {
            f"{ANSWER}{question.name}": _make_field(question, receiver)
            for question in recipe.questions
        }
        kind = type(cls.__name__, (cls,), {**fields, "own_names": tuple(fields)})
        form: Self = kind(submitted)
        form.offer_pbxs()
        if submitted is not None:
            return form
        if receiver is None:
            form.name.data = recipe.name
            form.max_in_flight.data = _text_of(recipe.max_in_flight)
            form.max_per_second.data = _text_of(recipe.max_per_second)
            return form
        form._show(receiver)
        for name, value in shown_values(receiver).items():
            if f"{ANSWER}{name}" in form:
                form[f"{ANSWER}{name}"].data = value or ""
        return form

    def answers(self) -> dict[str, str]:
        """Return the answers that were entered."""
        return {
            name.removeprefix(ANSWER): text
            for name in self.own_names
            if (text := (self[name].data or "").strip())
        }

    def _is_secret(self, name: str) -> bool:
        return isinstance(self[f"{ANSWER}{name}"], PasswordField)

    def to_data(self, recipe: Recipe) -> ReceiverData:
        """Return the values of a new receiver; raises InvalidError."""
        pbx = self.find_pbx()
        name = self.name.data or ""
        data = make_receiver(recipe, self.answers(), name, pbx.id if pbx else None)
        return _with_limits(data, self.find_limits())

    def to_changes(self, receiver: Receiver) -> ReceiverChanges:
        """Return the changes of a receiver; secrets that are left empty stay."""
        shown = shown_values(receiver)
        entered = {
            name.removeprefix(ANSWER): (self[name].data or "").strip() for name in self.own_names
        }
        # What is shown may be masked. Only what differs from it was entered.
        changed = {
            name: text
            for name, text in entered.items()
            if text != (shown.get(name) or "") and (text or not self._is_secret(name))
        }
        values = {name: _without_mask(ANSWER_FIELD + name, text) for name, text in changed.items()}
        return ReceiverChanges(name=self.name.data or "", values=values, **self.find_limits())


class PlainForm(ReceiverForm):
    """A receiver without a recipe: address, authentication, client certificate."""

    address = StringField("Address")
    auth = SelectField(
        "Authentication",
        choices=[SelectChoice(kind.value, label) for kind, label in AUTH_LABELS.items()],
        validate_choice=False,
    )
    client_certificate = TextAreaField("Client certificate (PEM, optional)")
    client_key = TextAreaField("Private key of the certificate (PEM)")

    @classmethod
    def of(cls, submitted: Any, receiver: Receiver | None = None) -> Self:
        """Return the form with the submitted values, else with those of the receiver."""
        fields = {f"{MEMBER}{name}": _make_member(name) for name in _MEMBERS}
        kind = type(cls.__name__, (cls,), {**fields, "own_names": tuple(fields)})
        form: Self = kind(submitted)
        form.offer_pbxs()
        if submitted is None and receiver is not None:
            form._show(receiver)
            form.address.data = shown_address(receiver)
            form.auth.data = receiver.auth.value
            form.client_certificate.data = receiver.client_certificate
            for name, value in shown_credentials(receiver).items():
                form[f"{MEMBER}{name}"].data = value or ""
        return form

    def kinds_of(self, name: str) -> list[str]:
        """Return the kinds of authentication that have the member of a field."""
        member = name.removeprefix(MEMBER)
        return [
            kind.value
            for kind, names in CREDENTIALS.items()
            if member in (*names.required, *names.optional)
        ]

    def to_data(self) -> ReceiverData:
        """Return the values of a new receiver; raises InvalidError."""
        pbx = self.find_pbx()
        auth = self._find_auth()
        members = self._members(auth)
        data = ReceiverData(
            self.name.data or "",
            (self.address.data or "").strip(),
            pbx_id=pbx.id if pbx else None,
            auth=auth,
            credentials={
                name: _without_mask(CREDENTIAL_FIELD + name, text) for name, text in members.items()
            },
            client_certificate=(self.client_certificate.data or "").strip(),
            client_key=(self.client_key.data or "").strip(),
        )
        return _with_limits(data, self.find_limits())

    def to_changes(self, receiver: Receiver) -> ReceiverChanges:
        """Return the changes of a receiver; secrets that are left empty stay."""
        auth = self._find_auth()
        address = (self.address.data or "").strip()
        certificate = (self.client_certificate.data or "").strip()
        key = (self.client_key.data or "").strip()
        return ReceiverChanges(
            name=self.name.data or "",
            # It is shown with its secrets masked.
            address=None if address == shown_address(receiver) else _without_mask_in(address),
            auth=auth,
            credentials=self._changed_members(receiver, auth),
            client_certificate=certificate,
            client_key=key or (None if certificate or not receiver.client_certificate else ""),
            **self.find_limits(),
        )

    def _changed_members(self, receiver: Receiver, auth: ReceiverAuth) -> dict[str, str]:
        """Return what was entered; empty texts only for what was shown and is not secret."""
        members = self._members(auth)
        if auth is receiver.auth:
            shown = shown_credentials(receiver)
            members |= {name: "" for name, text in shown.items() if text and name not in members}
        return members

    def _find_auth(self) -> ReceiverAuth:
        try:
            return ReceiverAuth(self.auth.data or "none")
        except ValueError:
            raise InvalidError.of("auth", "Choose one of the kinds of authentication.") from None

    def _members(self, auth: ReceiverAuth) -> dict[str, str]:
        names = CREDENTIALS[auth]
        return {
            name: text
            for name in (*names.required, *names.optional)
            if (text := (self[f"{MEMBER}{name}"].data or "").strip())
        }


def _without_mask_in(address: str) -> str:
    """Return the address; raises InvalidError if a part of it is masked."""
    if MASK in address:
        message = f"A secret in it is shown as {MASK}. Enter the whole address."
        raise InvalidError.of("address", message)
    return address


def _without_mask(field: str, text: str) -> str:
    """Return the text; raises InvalidError about the field if a part of it is masked."""
    if MASK in text:
        message = f"A secret in it is shown as {MASK}. Enter the whole value."
        raise InvalidError.of(field, message)
    return text


def _with_limits(data: ReceiverData, limits: Mapping[str, Any]) -> ReceiverData:
    values = {name: value or None for name, value in limits.items()}
    return ReceiverData(**{**vars(data), **values})


def _make_field(question: Question, receiver: Receiver | None) -> Any:
    label = question.label[:1].upper() + question.label[1:]
    if question.is_optional:
        label += " (optional)"
    if question.kind == "choice":
        choices = [SelectChoice(value, text) for value, text in question.choices.items()]
        return SelectField(label, choices=choices, default=question.default, validate_choice=False)
    if question.is_secret:
        return PasswordField(label)
    return StringField(label, default="" if receiver else question.default)


def _make_member(name: str) -> Any:
    label = MEMBER_LABELS[name]
    return PasswordField(label) if name in _SECRET_MEMBERS else StringField(label)


def _field_name(name: str) -> str:
    if name.startswith(ANSWER_FIELD):
        return ANSWER + name.removeprefix(ANSWER_FIELD)
    if name.startswith(CREDENTIAL_FIELD):
        return MEMBER + name.removeprefix(CREDENTIAL_FIELD)
    return name


def _read_number(field: Field, kind: type[int] | type[float]) -> float:
    text = (field.data or "").strip()
    if not text:
        return 0
    try:
        return kind(text)
    except ValueError:
        raise InvalidError.of(field.name, "Enter a number, or leave it empty.") from None


def _text_of(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
