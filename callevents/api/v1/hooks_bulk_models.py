"""What clients send to change many hooks at once, and what the API returns."""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from callevents.api.v1.hooks_models import GiveUpSeconds
from callevents.api.v1.models import Answer, Body, optional
from callevents.conditions.document import GivenConditions
from callevents.db.models import MAX_NOTE_LENGTH, MAX_NUMBER_LENGTH, MAX_URL_LENGTH
from callevents.enums import HookScope
from callevents.hooks.selection import HookState
from callevents.validation import MAX_NAME_LENGTH, EventName

MAX_EVENT_IDS = 1_000
MAX_EXTENSIONS = 1_000


class BulkActionName(StrEnum):
    """What to do with hooks."""

    ENABLE = "enable"
    DISABLE = "disable"
    REPLACE_URL = "replace_url"
    SET_POLICY = "set_policy"
    SET_CONDITIONS = "set_conditions"
    MOVE = "move"
    COPY = "copy"
    CLEAR = "clear"


class HookChoice(Body):
    """Values that the hooks must have: all that are given. At least one is required."""

    pbx: str = optional("The short name of the PBX.")
    extension: str = optional(
        "The number of an extension, or `*` for hooks of all extensions.",
        max_length=MAX_NUMBER_LENGTH,
    )
    group: str = optional("The name of a group of extensions.", max_length=MAX_NAME_LENGTH)
    event: EventName = optional("The event type.")
    state: HookState = optional("`failing` is enabled, and the last attempt failed.")
    host: str = optional(
        "The host of the URL, perhaps with a port; or a URL such as `https://crm.example.com`: its "
        "scheme, host and port count.",
        max_length=MAX_URL_LENGTH,
    )
    receiver: str = optional("The short name of the receiver.")
    scope: HookScope = optional("How often a call leads to a request.")
    note: str = optional("Text that the note contains.", max_length=MAX_NOTE_LENGTH)
    url: str = optional("Text that the URL contains.", max_length=MAX_URL_LENGTH)


class HookBulkChange(Body):
    """What to do, and with which hooks: pass either `where` or `event_ids`."""

    action: BulkActionName
    where: HookChoice = optional("All hooks that match.")
    event_ids: list[str] = optional(f"The Event IDs of at most {MAX_EVENT_IDS:,} hooks.")
    dry_run: bool = Field(default=False, description="Change nothing; return what would change.")
    digest: str = optional(
        "`digest` of a dry run: if something has changed since, it is a conflict (409).",
        max_length=64,
    )
    find: str = optional("For `replace_url`: plain text to find.", max_length=MAX_URL_LENGTH)
    replacement: str = optional(
        "For `replace_url`: the text that replaces it. Default: none.", max_length=MAX_URL_LENGTH
    )
    drop_secrets: bool = Field(
        default=False,
        description="For `replace_url` and `move`: also change hooks with credentials or headers "
        "for another host. These are removed, and the hooks suspended until you send them again. "
        "Without it, such hooks are left out.",
    )
    give_up_seconds: GiveUpSeconds = optional("For `set_policy`.")
    in_order: bool = optional("For `set_policy`.")
    conditions: GivenConditions = optional(
        "For `set_conditions`: the conditions to set. null or an empty list removes one; each hook "
        "keeps those that are left out."
    )
    receiver: str = optional("For `move`: the short name of the receiver.")
    extensions: list[str] = optional(
        f"For `copy`: the numbers of at most {MAX_EXTENSIONS:,} extensions of the same PBX."
    )


class ChangedHook(Answer):
    """An example of what changes. Secrets in URLs are masked."""

    event_id: str
    before: str
    after: str


class LeftOutHooks(Answer):
    """Hooks that are left out for the same reason."""

    reason: str
    count: int
    event_ids: Sequence[str] = Field(description="At most 100 of them.")


class HookBulkResult(Answer):
    """What has changed, or would change."""

    dry_run: bool
    changed: int = Field(description="For `copy`: the number of hooks added.")
    unchanged: int = Field(description="Hooks that have these values already.")
    left_out: Sequence[LeftOutHooks]
    examples: Sequence[ChangedHook] = Field(description="At most ten of the changes.")
    digest: str = Field(description="Identifies the chosen hooks as they were.")
    change_id: str | None = Field(
        description="To undo it with `/hooks/bulk/{change_id}/undo`; null: nothing has changed."
    )


class UndoneChange(Answer):
    """What was undone."""

    undone: int = Field(description="Hooks that are as before the change.")
    left_out: int = Field(
        description="Hooks left as they are: they or their receivers were changed or removed since."
    )
    refused: int = Field(
        description="Hooks of receivers left as they are, because you may not change what they "
        "send. Others can still undo the change of these."
    )
