"""The form of a hook."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from wtforms import BooleanField, RadioField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.db.models import Hook, Pbx, Receiver
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.option_texts import (
    format_answers,
    format_maps,
    parse_answers,
    parse_maps,
)
from callevents.delivery.request.url import display_url, is_same_origin
from callevents.enums import AuthKind, BodyFormat, HookScope, Method, MissingAnswer, ParameterSet
from callevents.errors import InvalidError
from callevents.hooks.hooks import HookData
from callevents.hooks.options import (
    Answers,
    BodyTemplate,
    Credentials,
    CustomHeader,
    HookOptions,
    read_options,
)
from callevents.hooks.receiver import find_receiver, read_hidden_url
from callevents.hooks.time_zone import suggest_zone
from callevents.hooks.validation import HEADER_FIELD, MAX_CUSTOM_HEADERS
from callevents.validation import check_all
from callevents.web.condition_fields import condition_values
from callevents.web.hook_fields import (
    CONTENT_TYPES,
    OPTION_FIELDS,
    OptionFields,
    SigningChoice,
    auth_choices,
    signing_choices,
)

EMPTY_HEADERS = 2


class HookForm(OptionFields):
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

    #: The options that are stored; the defaults for a new hook.
    stored = HookOptions()
    #: Headers (names in lower case) and kind of credentials whose stored secrets can be kept.
    kept_headers: Collection[str] = ()
    kept_auth = AuthKind.NONE
    #: The receivers that can be chosen, by short name.
    receivers: Mapping[str, Receiver] = MappingProxyType({})
    #: The request that is changed.
    hook: Hook | None = None
    #: Its URL, if the user may not see the secrets in it: the field has it masked.
    hidden_url = ""

    @classmethod
    def of(
        cls,
        submitted_form: Any,
        hook: Hook | None = None,
        receivers: Iterable[Receiver] = (),
        *,
        pbx: Pbx,
        hides_url: bool = False,
    ) -> "HookForm":
        """Return the form with the submitted values, else with the hook's, else with defaults.

        `receivers`: those that can be chosen; the hook's own can be, too. `pbx`: of the hook.
        """
        form = cls(submitted_form, data=_stored_values(hook) if hook else {"headers": []})
        if hook is not None and hides_url:
            form.hidden_url = hook.url
            if submitted_form is None:
                form.url.data = mask_url(hook.url)
        if hook is not None:
            form._read_stored(hook, is_submitted=submitted_form is not None)
        form._add_empty_headers()
        form._offer_receivers(receivers, hook)
        if submitted_form is None and not form.zone.data:
            form.zone.data = suggest_zone(pbx, form.chosen_receiver)
        form.auth.choices = auth_choices(has_receiver=bool(form.receivers))
        form.signing.choices = signing_choices(is_signed=bool(hook and hook.signing_secret))
        return form

    def hook_data(self) -> HookData:
        """Return the entered values; raises ValueError if a choice is not one of the offered."""
        data = HookData(
            url=self.entered_url,
            method=Method(self.method.data),
            active=bool(self.active.data),
            note=self.note.data or "",
            options=self.options(),
        )
        return data.of(self.chosen_receiver, self.hook)

    @property
    def entered_url(self) -> str:
        """The URL in the field; the stored one if the field has it masked."""
        entered = (self.url.data or "").strip()
        return self.hidden_url if entered == mask_url(self.hidden_url) else entered

    @property
    def chosen_receiver(self) -> Receiver | None:
        """The receiver that is chosen; None without one, or if it is not one of the offered."""
        return self.receivers.get(self.receiver.data or "")

    def options(self) -> HookOptions:
        """Return the options of the form; raises ValueError for an invalid choice.

        Raises InvalidError for lines and conditions that cannot be read, and if another URL is
        entered instead of a masked one: nothing may be made of it, not even a preview.
        """
        read = self._read_texts()
        return replace(
            self.stored,
            give_up_seconds=self.give_up_seconds.data,
            in_order=bool(self.in_order.data),
            body_format=BodyFormat(self.body_format.data),
            parameters=ParameterSet(self.parameters.data),
            headers=tuple(self._headers()),
            credentials=self._credentials(),
            body_template=self._body_template(),
            value_maps=read["value_maps"],
            scope=HookScope(self.scope.data),
            conditions=read["conditions"],
            answers=Answers(read["answers"], MissingAnswer(self.missing_answer.data)),
        )

    def add_errors(self, error: InvalidError) -> None:
        """Show each message next to its field, those about custom headers next to their rows."""
        others = dict(error.errors)
        if "authentication" in others:
            others["auth"] = others.pop("authentication")
        for number, row in enumerate(self._filled_rows(), start=1):
            row.form.name.errors = others.pop(f"{HEADER_FIELD}{number}", [])
        super().add_errors(InvalidError(others))

    @property
    def has_options(self) -> bool:
        """True if the options differ from the defaults, or have errors."""
        if self.receiver.data or any(self[name].errors for name in OPTION_FIELDS):
            return True
        try:
            is_default = self.options() == HookOptions()
        except (ValueError, InvalidError):
            return True
        choices = list(self.signing.choices or ())
        return not is_default or len(choices) > 2 or self.signing.data != SigningChoice.KEEP

    def _offer_receivers(self, receivers: Iterable[Receiver], hook: Hook | None) -> None:
        own = find_receiver(hook) if hook else None
        self.hook = hook
        self.receivers = {one.slug: one for one in (*receivers, *filter(None, [own]))}
        choices = [SelectChoice(slug, one.name) for slug, one in self.receivers.items()]
        self.receiver.choices = [SelectChoice("", "None"), *choices]

    def _read_stored(self, hook: Hook, *, is_submitted: bool) -> None:
        """Take what the fields do not show from the hook, and its names of headers."""
        self.stored = read_options(hook)
        directions = self.stored.conditions.directions
        self.kept_directions = directions if len(directions) > 1 else ()
        if not is_submitted or is_same_origin(self.entered_url, hook.url):
            self.kept_headers = {header.name.lower() for header in self.stored.headers}
            self.kept_auth = hook.auth
        if not is_submitted:
            for header in self.stored.headers:
                self.headers.append_entry({"name": header.name})

    def _read_texts(self) -> Mapping[str, Any]:
        """Return what is entered as text; raises one InvalidError for all that cannot be read."""
        found: dict[str, Any] = {}

        def read(name: str, parse: Callable[[], Any]) -> Callable[[], None]:
            return lambda: found.update({name: parse()})

        check_all(
            self._check_hidden_url,
            read("value_maps", lambda: parse_maps(self.value_maps.data or "")),
            read("conditions", self.conditions),
            read("answers", lambda: parse_answers(self.answers.data or "")),
        )
        return found

    def _check_hidden_url(self) -> None:
        if self.hidden_url:
            read_hidden_url((self.url.data or "").strip(), self.hidden_url)

    def _body_template(self) -> BodyTemplate:
        """Return the template; the suggested content type alone is none."""
        text = (self.body_template.data or "").replace("\r\n", "\n")
        content_type = (self.content_type.data or "").strip()
        is_used = self.body_format.data == BodyFormat.TEMPLATE.value
        if not is_used and not text and content_type == CONTENT_TYPES[0]:
            content_type = ""
        return BodyTemplate(content_type, text)

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
        if kind is AuthKind.SCHEME:
            return Credentials(kind, self.scheme.data or "", self.token.data or None)
        return Credentials(kind, secret=self.token.data or None)

    def _add_empty_headers(self) -> None:
        """Add empty rows, so that headers can be added without JavaScript."""
        filled = len(list(self._filled_rows()))
        missing = min(filled + EMPTY_HEADERS, MAX_CUSTOM_HEADERS) - len(self.headers)
        for _ in range(missing):
            self.headers.append_entry()


def _stored_values(hook: Hook) -> Mapping[str, Any]:
    """Return the values of the fields for a stored hook."""
    options, receiver = read_options(hook), find_receiver(hook)
    names = ("method", "active", "note", "give_up_seconds", "in_order", "body_format", "parameters")
    return {
        **{name: getattr(hook, name) for name in (*names, "auth", "scope", "missing_answer")},
        "url": display_url(hook.url),
        "receiver": receiver.slug if receiver else "",
        "headers": [],
        "content_type": hook.content_type or CONTENT_TYPES[0],
        "body_template": hook.body_template,
        "value_maps": format_maps(options.value_maps),
        "answers": format_answers(options.answers.pointers),
        **condition_values(options.conditions),
    }
