"""What can be done to many requests at once: the buttons, and the form of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from callevents.db.models import Pbx
from callevents.users.rights import Scope
from callevents.web.bulk_conditions import BulkConditionsForm
from callevents.web.bulk_forms import (
    BulkForm,
    ClearForm,
    CopyForm,
    DisableForm,
    EnableForm,
    MoveForm,
    PolicyForm,
    ReplaceForm,
)


@dataclass(frozen=True)
class BulkAction:
    """Something that can be done to the selected requests, and its texts."""

    name: str
    #: Of the button that begins it.
    label: str
    title: str
    form: type[BulkForm]
    #: The button that does it; the placeholder is the number, with its noun.
    button: str
    #: What has happened to them, after a number with its noun.
    done: str
    #: True if there is something to fill in before the preview.
    asks: bool = False
    is_dangerous: bool = False


_ALL = (
    BulkAction("enable", "Enable", "Enable requests", EnableForm, "Enable {}", "enabled"),
    BulkAction("disable", "Disable", "Disable requests", DisableForm, "Disable {}", "disabled"),
    BulkAction(
        "replace",
        "Replace in URL…",
        "Replace a part of URLs",
        ReplaceForm,
        "Change {}",
        "changed",
        asks=True,
    ),
    BulkAction(
        "policy", "Policy…", "Delivery policy", PolicyForm, "Change {}", "changed", asks=True
    ),
    BulkAction(
        "conditions",
        "Conditions…",
        "Conditions of requests",
        BulkConditionsForm,
        "Change {}",
        "changed",
        asks=True,
    ),
    BulkAction(
        "move", "Move to receiver…", "Move to a receiver", MoveForm, "Move {}", "moved", asks=True
    ),
    BulkAction("copy", "Copy…", "Copy to extensions", CopyForm, "Make {}", "made", asks=True),
    BulkAction(
        "clear", "Clear…", "Clear requests", ClearForm, "Clear {}", "cleared", is_dangerous=True
    ),
)
ACTIONS: Mapping[str, BulkAction] = {action.name: action for action in _ALL}


def list_offered(scope: Scope, pbx: Pbx | None) -> list[BulkAction]:
    """Return what a user with this scope can do to requests of the PBX, or of all."""
    offered = {"move": _has_pbx(scope, pbx), "copy": can_copy(scope, pbx)}
    return [action for action in _ALL if offered.get(action.name, True)]


def can_copy(scope: Scope, pbx: Pbx | None) -> bool:
    """Return True if there can be an extension to copy to: not for the owner of a single one."""
    return _has_pbx(scope, pbx) or len(scope.extension_ids) > 1


def _has_pbx(scope: Scope, pbx: Pbx | None) -> bool:
    return scope.has_pbx(pbx.id) if pbx else scope.has_any_pbx
