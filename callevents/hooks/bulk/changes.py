"""Changes of hooks that keep them: enable, disable, replace a part of the URL, policy, receiver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from callevents.audit.actions import Action
from callevents.db.locks import lock_pbx
from callevents.db.models import Hook, Receiver
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.url import begins_with, check_url, display_url, origin_of
from callevents.enums import AuthKind
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks.bulk.once import find_once_ids
from callevents.hooks.bulk.secrets import WITHOUT_SECRETS, find_addresses, has_secrets, without
from callevents.hooks.bulk.steps import Applied, Step
from callevents.hooks.bulk.store import store
from callevents.hooks.left_out import explain_left_out
from callevents.hooks.options import GIVE_UP_CHOICES, read_options
from callevents.hooks.receiver import check_use, may_choose, read_again
from callevents.hooks.suspension import ENTER_SECRETS
from callevents.security.masking import MASK
from callevents.users.rights import EVERYTHING, Scope

NO_VALID_URL = "the URL would not be valid"
LEAVES_RECEIVER = "the URL would leave the address of the receiver"
OF_RECEIVER = "you may not change what it sends to its receiver"
HAS_SECRETS = "credentials or headers belong to the current host"
DOES_NOT_FIT = "the receiver lacks a value that is used"
LACKS_SECRET = "a secret that was left out of an import is missing"  # noqa: S105  # a sentence
OF_ANOTHER_PBX = "the receiver belongs to another PBX"
RESUMED: Mapping[str, Any] = {"suspended_at": None, "suspended_reason": "", "failing_since": None}


class Update:
    """A change that sets columns of hooks."""

    def lock(self, pbx_ids: Sequence[int]) -> None:
        """Lock nothing but the hooks."""

    def apply(self, steps: Sequence[Step]) -> Applied:
        """Store the steps."""
        return store(steps)


@dataclass(frozen=True)
class SetActive(Update):
    """Enable or disable hooks. Enabling resumes those that are suspended."""

    active: bool

    @property
    def action(self) -> Action:
        """What the history calls it."""
        return Action.HOOKS_ENABLED if self.active else Action.HOOKS_DISABLED

    def plan(self, hooks: Sequence[Hook]) -> Sequence[Step]:
        """Return a step for each hook."""
        return [self._plan(hook) for hook in hooks]

    def describe(self, _steps: Sequence[Step]) -> Mapping[str, Any]:
        """Return what the history says of it."""
        return {"enabled": self.active}

    def _plan(self, hook: Hook) -> Step:
        is_resumed = self.active and hook.suspended_at is not None
        if hook.active is self.active and not is_resumed:
            return Step(hook)
        if is_resumed and (sentence := explain_left_out(hook)):
            return Step(hook, reason=LACKS_SECRET, detail=sentence)
        values = {"active": self.active, **(RESUMED if self.active else {})}
        before = "suspended" if hook.active and hook.suspended_at else _name(hook.active)
        return Step(hook, values, before=before, after=_name(self.active))


def _name(active: bool) -> str:
    return "enabled" if active else "disabled"


@dataclass(frozen=True)
class SetPolicy(Update):
    """Set when requests are given up, and whether they are sent in order. None keeps a value."""

    give_up_seconds: int | None = None
    in_order: bool | None = None

    @property
    def action(self) -> Action:
        """What the history calls it."""
        return Action.HOOKS_POLICY_CHANGED

    def plan(self, hooks: Sequence[Hook]) -> Sequence[Step]:
        """Return a step for each hook; raises InvalidError."""
        if self.give_up_seconds is None and self.in_order is None:
            raise InvalidError.of("give_up_seconds", "Choose what to change.")
        if self.give_up_seconds is not None and self.give_up_seconds not in GIVE_UP_CHOICES:
            choices = ", ".join(name for name, _label in GIVE_UP_CHOICES.values())
            raise InvalidError.of("give_up_seconds", f"Must be one of: {choices}.")
        return [self._plan(hook) for hook in hooks]

    def describe(self, _steps: Sequence[Step]) -> Mapping[str, Any]:
        """Return what the history says of it."""
        return self._wanted()

    def _wanted(self) -> dict[str, Any]:
        values = {"give_up_seconds": self.give_up_seconds, "in_order": self.in_order}
        return {name: value for name, value in values.items() if value is not None}

    def _plan(self, hook: Hook) -> Step:
        values = {
            name: value for name, value in self._wanted().items() if getattr(hook, name) != value
        }
        before = ", ".join(_show_policy(name, getattr(hook, name)) for name in values)
        after = ", ".join(_show_policy(name, value) for name, value in values.items())
        return Step(hook, values, before=before, after=after)


def _show_policy(name: str, value: Any) -> str:
    if name == "in_order":
        return "in order" if value else "in any order"
    _name, label = GIVE_UP_CHOICES.get(value, ("", f"{value} seconds"))
    return f"give up after {label}"


@dataclass(frozen=True)
class ReplaceUrl(Update):
    """Replace each occurrence of a text in URLs.

    Hooks with secrets whose host would change are left out, or lose them: see `drops_secrets`.
    """

    find: str
    replacement: str
    #: Suspend hooks whose secrets were for another host, without these, instead of leaving them.
    drops_secrets: bool = False
    #: What the user may edit.
    scope: Scope = EVERYTHING

    @property
    def action(self) -> Action:
        """What the history calls it."""
        return Action.HOOKS_URL_REPLACED

    def plan(self, hooks: Sequence[Hook]) -> Sequence[Step]:
        """Return a step for each hook; raises InvalidError."""
        if not self.find.strip():
            raise InvalidError.of("find", "Enter the text to find in URLs.")
        addresses = find_addresses(hooks)
        return [self._plan(hook, addresses) for hook in hooks]

    def describe(self, steps: Sequence[Step]) -> Mapping[str, Any]:
        """Return what the history says of it, masked if it is part of a secret."""
        urls = [(step.hook.url, step.values["url"]) for step in steps]
        return {
            "find": hide(self.find.strip(), [old for old, _new in urls]),
            "replacement": hide(self.replacement.strip(), [new for _old, new in urls]),
        }

    def _plan(self, hook: Hook, addresses: Mapping[int, str]) -> Step:
        if not may_choose(self.scope, hook.pbx_id, hook.receiver_id):
            # Also without a match: whether there is one would tell of the secret in the URL.
            return Step(hook, reason=OF_RECEIVER, before=mask_url(hook.url))
        find, replacement = self.find.strip(), self.replacement.strip()
        # As the dialog shows it, or as it is sent.
        text = next((one for one in (display_url(hook.url), hook.url) if find in one), None)
        if text is None:
            return Step(hook)
        try:
            url = check_url(text.replace(find, replacement)).url
        except InvalidError as error:
            return Step(hook, reason=NO_VALID_URL, detail=str(error), before=mask_url(hook.url))
        if hook.receiver_id is not None and not begins_with(url, addresses[hook.receiver_id]):
            return Step(hook, reason=LEAVES_RECEIVER, before=mask_url(hook.url))
        return point_at(hook, url, {}, drops_secrets=self.drops_secrets)


@dataclass(frozen=True)
class MoveToReceiver(Update):
    """Move hooks to a receiver: their URLs begin with its address, and they use its credentials."""

    receiver: Receiver
    drops_secrets: bool = False

    def lock(self, pbx_ids: Sequence[int]) -> None:
        """Lock the PBXs: the receiver is not changed or removed until the transaction ends."""
        for pbx_id in sorted(pbx_ids):
            lock_pbx(db.session.connection(), pbx_id)
        read_again(self.receiver.id)

    @property
    def action(self) -> Action:
        """What the history calls it."""
        return Action.HOOKS_MOVED

    def plan(self, hooks: Sequence[Hook]) -> Sequence[Step]:
        """Return a step for each hook."""
        addresses = find_addresses(hooks)
        steps = [self._plan(hook, addresses) for hook in hooks]
        once_ids = find_once_ids([step.hook for step in steps if step.values])
        return [
            replace(step, values={**step.values, "once_id": once_ids.get(step.hook.id)})
            if step.values
            else step
            for step in steps
        ]

    def describe(self, _steps: Sequence[Step]) -> Mapping[str, Any]:
        """Return what the history says of it."""
        return {"receiver": self.receiver.name}

    def _plan(self, hook: Hook, addresses: Mapping[int, str]) -> Step:
        if hook.receiver_id == self.receiver.id:
            return Step(hook)
        if self.receiver.pbx_id not in (None, hook.pbx_id):
            return Step(hook, reason=OF_ANOTHER_PBX, before=mask_url(hook.url))
        try:
            url = check_url(self._new_url(hook, addresses)).url
        except InvalidError as error:
            return Step(hook, reason=NO_VALID_URL, detail=str(error), before=mask_url(hook.url))
        try:
            check_use(hook.pbx_id, self.receiver.id, url, read_options(hook))
        except InvalidError as error:
            return Step(hook, reason=DOES_NOT_FIT, detail=str(error), before=mask_url(hook.url))
        values = {
            "receiver_id": self.receiver.id,
            "recipe_request": "",
            "auth": AuthKind.RECEIVER,
            "auth_secret": "",
        }
        return point_at(hook, url, values, drops_secrets=self.drops_secrets)

    def _new_url(self, hook: Hook, addresses: Mapping[int, str]) -> str:
        address = self.receiver.address
        if begins_with(hook.url, address):
            return hook.url
        old = addresses.get(hook.receiver_id or 0, "")
        if not old or not begins_with(hook.url, old):
            parts = urlsplit(hook.url)
            old = f"{parts.scheme}://{parts.netloc}"
        rest = hook.url.removeprefix(old)
        return f"{address.rstrip('/')}/{rest.lstrip('/')}" if rest.strip("/") else address


def point_at(hook: Hook, url: str, values: Mapping[str, Any], *, drops_secrets: bool) -> Step:
    """Return the step that gives the hook this valid URL, and these values.

    Stored secrets are for one host and must not reach another one.
    """
    if url == hook.url and not values:
        return Step(hook)
    before, after = mask_url(hook.url), mask_url(url)
    values = {**values, "url": url}
    if origin_of(url) == origin_of(hook.url):
        return Step(hook, {**values, **_resumed(hook)}, before=before, after=after)
    kept = values.get("auth_secret", hook.auth_secret)
    if not has_secrets(kept, hook.custom_headers):
        return Step(hook, {**values, **_resumed(hook)}, before=before, after=after)
    if not drops_secrets:
        return Step(hook, reason=HAS_SECRETS, before=before, after=after)
    return Step(hook, {**without(hook, kept), **values}, before=before, after=after)


def _resumed(hook: Hook) -> Mapping[str, Any]:
    """Return the values that resume a suspended hook: with another URL it is meant to be used."""
    if hook.suspended_at is None or hook.suspended_reason.endswith(ENTER_SECRETS):
        return {}
    return {} if explain_left_out(hook) else RESUMED


def hide(text: str, urls: Sequence[str]) -> str:
    """Return the text, or a mask if it is within a part of one of the URLs that is masked."""
    is_shown = all(mask_url(url).count(text) == url.count(text) for url in urls)
    return text if is_shown or not text else MASK


def describe_missing(steps: Sequence[Step]) -> int:
    """Return how many of the hooks lose their secrets."""
    return sum(step.values.get("suspended_reason") == WITHOUT_SECRETS for step in steps)
