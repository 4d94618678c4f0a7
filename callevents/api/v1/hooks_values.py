"""Translates hooks: from the tables to answers of the API, and from bodies to the domain."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flask import request

from callevents.api.v1.hooks_conditions import show_conditions
from callevents.api.v1.hooks_models import (
    Hook,
    HookAuthentication,
    HookHeader,
    HookSettings,
    NewHookAuthentication,
)
from callevents.api.v1.problems import FieldError
from callevents.api.v1.reading import DETAIL, invalid, invalid_value, invalid_values
from callevents.api.v1.sent import texts_of
from callevents.conditions.document import read_conditions
from callevents.db.models import Hook as StoredHook
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.url import origin_of
from callevents.enums import AuthKind
from callevents.errors import ConflictError, InvalidError
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
from callevents.hooks.validation import path_of
from callevents.security.masking import MASK

MASKED_URL = (
    f"A secret in it is masked as {MASK}. Send the whole URL, or leave `url` out to keep the "
    "stored one."
)
#: Fields of HookData and of HookOptions that are the same in bodies.
PLAIN_FIELDS = ("method", "active", "note")
OPTION_FIELDS = (
    *("give_up_seconds", "in_order", "body_format", "parameters", "value_maps", "scope"),
)
#: The fields of each kind of authentication.
_CREDENTIALS: Mapping[AuthKind, Sequence[str]] = {
    AuthKind.NONE: (),
    AuthKind.BASIC: ("username", "password"),
    AuthKind.BEARER: ("token",),
    AuthKind.SCHEME: ("scheme", "token"),
    AuthKind.RECEIVER: (),
}
_ALL_CREDENTIALS = ("username", "password", "scheme", "token")
#: Fields of bodies, and their names in the domain.
_TEMPLATE_FIELDS = {"content_type": "content_type", "body_template": "text"}
_ANSWER_FIELDS = {"answers": "pointers", "missing_answer": "missing"}
#: What pointers to conditions begin with, as yet with escaped slashes.
_CONDITIONS = "conditions~1"
#: Errors about what is stored, and not about a value.
_CONFLICTS = {"event", "requests"}


def to_answer(hook: StoredHook) -> Hook:
    """Return the hook as the API shows it: without secrets, the same to all who may see it."""
    options = read_options(hook)
    extension, receiver = hook.extension, find_receiver(hook)
    return Hook(
        event_id=hook.event_id,
        pbx=hook.pbx.slug,
        extension=extension.number if extension else None,
        extension_id=hook.extension_id,
        event=hook.event_type.slug,
        url=mask_url(hook.url),
        origin=origin_of(hook.url),
        receiver=receiver.slug if receiver else None,
        method=hook.method,
        active=hook.active,
        note=hook.note,
        give_up_seconds=options.give_up_seconds,
        in_order=options.in_order,
        body_format=options.body_format,
        parameters=options.parameters,
        headers=[HookHeader(name=header.name) for header in options.headers],
        authentication=HookAuthentication(kind=options.credentials.kind),
        content_type=options.body_template.content_type,
        body_template=options.body_template.text,
        value_maps=options.value_maps,
        scope=options.scope,
        conditions=show_conditions(options.conditions),
        answers=options.answers.pointers,
        missing_answer=options.answers.missing,
        is_signed=bool(hook.signing_secret),
        previous_secret_until=hook.previous_secret_until,
        suspended_at=hook.suspended_at,
        suspended_reason=hook.suspended_reason,
        failing_since=hook.failing_since,
        created_at=hook.created_at,
        modified_at=hook.modified_at,
    )


def to_data(body: HookSettings, url: str, hook: StoredHook | None = None) -> HookData:
    """Return the values for the domain: those of the body, then the hook's, then the defaults.

    Raises ApiError.
    """
    options = read_options(hook) if hook else HookOptions()
    options = replace(options, **_given(body, OPTION_FIELDS, HookOptions()))
    if "headers" in body.model_fields_set:
        headers = [CustomHeader(one.name, one.value) for one in body.headers or ()]
        options = replace(options, headers=headers)
    if "authentication" in body.model_fields_set:
        options = replace(options, credentials=_to_credentials(body.authentication))
    if "conditions" in body.model_fields_set:
        options = replace(options, conditions=read_conditions(body.conditions))
    template, answers = options.body_template, options.answers
    options = replace(
        options,
        body_template=replace(template, **_given_as(body, _TEMPLATE_FIELDS, BodyTemplate())),
        answers=replace(answers, **_given_as(body, _ANSWER_FIELDS, Answers())),
    )
    data = HookData(url, hook.method, hook.active, hook.note) if hook else HookData(url)
    return replace(data, **_given(body, PLAIN_FIELDS, HookData(url)), options=options)


def choose_url(
    given: str | None, hook: StoredHook | None = None, *, is_hidden: bool = False
) -> str:
    """Return the URL to store: the given one, or that of the hook. Raises ApiError.

    A masked URL is none, but that of the hook itself stands for the stored one. `is_hidden`: the
    caller may not see the secrets in the hook's URL.
    """
    if hook is not None and given is not None and is_hidden:
        with pointing_at_fields():
            return read_hidden_url(given, hook.url)
    if hook is not None and given in (None, mask_url(hook.url)):
        return hook.url
    if given is None or MASK in given:
        raise invalid_value("#/url", MASKED_URL)
    return given


@contextmanager
def pointing_at_fields() -> Iterator[None]:
    """Raise ApiError for values that break a rule of the domain.

    Raises ConflictError if not the values but what is stored already stands in the way.
    """
    try:
        yield
    except InvalidError as error:
        if error.errors.keys() <= _CONFLICTS:
            raise ConflictError(str(error)) from None
        problem = invalid_values(error, list(texts_of(request)))
        problem.errors = [replace(one, pointer=_point(one.pointer)) for one in problem.errors]
        raise problem from None


def _given(body: HookSettings, names: Iterable[str], default: object) -> dict[str, Any]:
    """Return the values that the body has; null is the default."""
    return _given_as(body, {name: name for name in names}, default)


def _given_as(body: HookSettings, names: Mapping[str, str], default: object) -> dict[str, Any]:
    """Return the values that the body has, by their names in the domain; null is the default."""
    given = {names[name]: getattr(body, name) for name in names if name in body.model_fields_set}
    return {
        name: getattr(default, name) if value is None else value for name, value in given.items()
    }


def _to_credentials(given: NewHookAuthentication | None) -> Credentials:
    if given is None:
        return Credentials()
    known = _CREDENTIALS[given.kind]
    unused = [name for name in _ALL_CREDENTIALS if name not in known and getattr(given, name)]
    if unused:
        detail = "This kind of authentication does not use it."
        raise invalid(DETAIL, [FieldError(f"#/authentication/{name}", detail) for name in unused])
    if given.kind is AuthKind.BASIC:
        return Credentials(given.kind, given.username or "", given.password)
    if given.kind is AuthKind.SCHEME:
        return Credentials(given.kind, given.scheme or "", given.token)
    return Credentials(given.kind, secret=given.token)


def _point(pointer: str) -> str:
    """Return the pointer to the field of the body that an error of the domain is about."""
    name = pointer.removeprefix("#/")
    if name.startswith(_CONDITIONS):
        return "#/" + name.replace("~1", "/")
    return f"#/authentication/{name}" if name in _ALL_CREDENTIALS else f"#/{path_of(name)}"
