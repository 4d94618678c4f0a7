"""What groups of extensions look like in requests and answers."""

from collections.abc import Sequence

from pydantic import Field

from callevents.api.v1.models import Answer, Body, Changes, Moment, optional
from callevents.db.models import MAX_NUMBER_LENGTH, MAX_PATTERN_LENGTH
from callevents.validation import MAX_NAME_LENGTH

#: Extensions that one request can choose.
MAX_CHOSEN = 5000
NAME = "The name; no other group of the PBX has it."
PATTERN = "A regular expression: extensions whose whole number matches are members, new ones too."
CHOSEN = "The numbers of extensions that are members whatever the pattern is."
TEMPLATE = (
    "The number of an extension. Its hooks are copied, with their secrets, to each extension that "
    "joins the group when it is added or imported."
)


class Group(Answer):
    """Extensions of a PBX that are treated alike."""

    id: str
    pbx: str = Field(description="The short name of the PBX.")
    name: str = Field(description=NAME)
    pattern: str | None = Field(description=f"{PATTERN} null: none.")
    extensions: Sequence[str] = Field(description=CHOSEN)
    template: str | None = Field(description=f"{TEMPLATE} null: none.")
    member_count: int = Field(description="How many members it has, by both.")
    created_at: Moment


class NewGroup(Body):
    """A group to add."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH, description=NAME)
    pattern: str | None = optional(f"{PATTERN} Default: none.", max_length=MAX_PATTERN_LENGTH)
    extensions: list[str] | None = optional(f"{CHOSEN} Default: none.", max_length=MAX_CHOSEN)
    template: str | None = optional(f"{TEMPLATE} Default: none.", max_length=MAX_NUMBER_LENGTH)


class GroupChanges(Changes):
    """What to change of a group. Fields that are left out stay as they are."""

    # null is refused: a group needs a name.
    name: str = Field(default_factory=str, description=NAME, max_length=MAX_NAME_LENGTH)
    pattern: str | None = optional(f"{PATTERN} null: none.", max_length=MAX_PATTERN_LENGTH)
    extensions: list[str] | None = optional(
        f"All that are chosen: {CHOSEN[0].lower()}{CHOSEN[1:]} null: none.", max_length=MAX_CHOSEN
    )
    template: str | None = optional(f"{TEMPLATE} null: none.", max_length=MAX_NUMBER_LENGTH)
