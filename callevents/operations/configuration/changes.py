"""What an import changes, and errors that say where in the document they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from callevents.errors import InvalidError
from callevents.hooks.validation import path_of


class Done(StrEnum):
    """What was done to an object."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class Kind(StrEnum):
    """What kind of object it is."""

    PBX = "pbx"
    CONNECTOR = "connector"
    EXTENSION = "extension"
    HOOK = "hook"


@dataclass(frozen=True)
class Change:
    """One change. `name`: such as `head-office 101 dial-in`; `fields`: those that differ."""

    done: Done
    kind: Kind
    name: str
    fields: tuple[str, ...] = ()
    #: Secrets that the document cannot have: enter them, or make new ones.
    missing_secrets: tuple[str, ...] = ()


@dataclass
class Changes:
    """The changes so far, in order."""

    found: list[Change] = field(default_factory=list)

    def add(
        self,
        done: Done,
        kind: Kind,
        *names: str,
        fields: tuple[str, ...] = (),
        missing: tuple[str, ...] = (),
    ) -> None:
        """Add a change."""
        self.found.append(Change(done, kind, " ".join(names), fields, missing))


class DocumentError(InvalidError):
    """Values of the document are invalid. The names of the fields are JSON pointers into it."""


def error_at(pointer: str, message: str) -> DocumentError:
    """Return an error about the value there."""
    return DocumentError({pointer: [message]})


@contextmanager
def errors_at(pointer: str) -> Iterator[None]:
    """Let errors about fields in the block be errors about values below this place."""
    try:
        yield
    except DocumentError:
        raise
    except InvalidError as error:
        raise DocumentError(
            {f"{pointer}/{path_of(name)}": messages for name, messages in error.errors.items()}
        ) from None
