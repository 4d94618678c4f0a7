"""Forms of what can be done to many requests at once."""

from collections.abc import Sequence

from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.db.models import Hook, Receiver
from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.hooks.bulk.changes import MoveToReceiver, ReplaceUrl, SetActive, SetPolicy
from callevents.hooks.bulk.clear import Clear
from callevents.hooks.bulk.copy import CopyTo
from callevents.hooks.bulk.steps import Change
from callevents.hooks.options import GIVE_UP_CHOICES
from callevents.pbxs.extension_numbers import find_by_numbers, read_numbers
from callevents.receivers.shown import shown_address
from callevents.web.access import scope_of
from callevents.web.forms import BaseForm

KEEP = ""


class BulkForm(BaseForm):
    """What to do with the selected requests."""

    def fill(self, hooks: Sequence[Hook]) -> None:
        """Prepare the fields for these requests."""

    def change(self, hooks: Sequence[Hook]) -> Change:
        """Return the change that the form describes; raises InvalidError."""
        raise NotImplementedError


class EnableForm(BulkForm):
    """Enable requests."""

    def change(self, _hooks: Sequence[Hook]) -> Change:
        """Return the change."""
        return SetActive(active=True)


class DisableForm(BulkForm):
    """Disable requests."""

    def change(self, _hooks: Sequence[Hook]) -> Change:
        """Return the change."""
        return SetActive(active=False)


class ClearForm(BulkForm):
    """Clear requests."""

    def change(self, _hooks: Sequence[Hook]) -> Change:
        """Return the change."""
        return Clear()


class SecretsForm(BulkForm):
    """A change that may point requests at another host."""

    drops_secrets = BooleanField(
        "Also change those with credentials or headers for another host: these are removed, and "
        "the requests are suspended until you enter them again"
    )


class ReplaceForm(SecretsForm):
    """Replace a part of URLs."""

    find = StringField("Find")
    replacement = StringField("Replace with")

    def fill(self, hooks: Sequence[Hook]) -> None:
        """Suggest the host, if all have the same."""
        hosts = {hook.url.split("/")[2] for hook in hooks}
        if self.find.data is None and len(hosts) == 1:
            self.find.data = hosts.pop()

    def change(self, _hooks: Sequence[Hook]) -> Change:
        """Return the change."""
        find, replacement = self.find.data or "", self.replacement.data or ""
        drops_secrets = bool(self.drops_secrets.data)
        return ReplaceUrl(find, replacement, drops_secrets, scope_of(Right.EDIT))


class PolicyForm(BulkForm):
    """Change when requests are given up, and their order."""

    give_up_seconds = SelectField(
        "Give up after",
        choices=[
            SelectChoice(KEEP, "Leave as it is"),
            *(SelectChoice(str(seconds), text) for seconds, (_, text) in GIVE_UP_CHOICES.items()),
        ],
        validate_choice=False,
    )
    in_order = SelectField(
        "Requests of the same call",
        choices=[
            SelectChoice(KEEP, "Leave as it is"),
            SelectChoice("yes", "Send in order"),
            SelectChoice("no", "Send at once, in any order"),
        ],
        validate_choice=False,
    )

    def change(self, _hooks: Sequence[Hook]) -> Change:
        """Return the change; raises InvalidError."""
        order = {KEEP: None, "yes": True, "no": False}
        given, in_order = self.give_up_seconds.data or KEEP, self.in_order.data or KEEP
        if given and not (given.isascii() and given.isdigit() and len(given) < 9):
            raise InvalidError.of("give_up_seconds", "Choose one of the times.")
        if in_order not in order:
            raise InvalidError.of("in_order", "Choose one of these.")
        return SetPolicy(int(given) if given else None, order[in_order])


class MoveForm(SecretsForm):
    """Move requests to a receiver."""

    destination = SelectField("Receiver", choices=[], validate_choice=False)

    #: Those that the user may choose; set by the view.
    receivers: Sequence[Receiver] = ()

    def fill(self, _hooks: Sequence[Hook]) -> None:
        """Offer the receivers."""
        self.destination.choices = [
            SelectChoice(one.slug, f"{one.name} ({shown_address(one)})") for one in self.receivers
        ]

    def change(self, _hooks: Sequence[Hook]) -> Change:
        """Return the change; raises InvalidError."""
        for one in self.receivers:
            if one.slug == self.destination.data:
                return MoveToReceiver(one, drops_secrets=bool(self.drops_secrets.data))
        raise InvalidError.of("destination", "Choose a receiver.")


class CopyForm(BulkForm):
    """Copy requests to extensions."""

    to = TextAreaField("Extensions")

    def change(self, hooks: Sequence[Hook]) -> Change:
        """Return the change; raises InvalidError."""
        numbers = read_numbers(self.to.data or "", "to")
        pbxs = {hook.pbx_id: hook.pbx for hook in hooks}
        if len(pbxs) > 1:
            raise InvalidError.of("to", "Select requests of one PBX: copies stay within it.")
        scope = scope_of(Right.EDIT)
        found = [one for pbx in pbxs.values() for one in find_by_numbers(pbx, numbers, "to", scope)]
        return CopyTo(found, scope=scope)
