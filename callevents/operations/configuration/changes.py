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
    GROUP = "group"
    HOOK = "hook"
    RECEIVER = "receiver"


@dataclass(frozen=True)
class Change:
    """One change. `name`: such as `head-office 101 dial-in`; `fields`: those that differ."""

    done: Done
    kind: Kind
    name: str
    fields: tuple[str, ...] = ()
    #: Secrets that the document cannot have: enter them, or make new ones.
    missing_secrets: tuple[str, ...] = ()
    #: What identifies the object: the slug of the PBX, or the Event ID.
    key: str = ""


@dataclass
class Changes:
    """The changes so far, in order.

    `limit`: the number of objects that may be changed or removed; None: any. Each takes some
    milliseconds, in which SQLite stores no report.
    """

    limit: int | None = None
    found: list[Change] = field(default_factory=list)
    _counted: int = 0

    def add(
        self,
        done: Done,
        kind: Kind,
        *names: str,
        fields: tuple[str, ...] = (),
        missing: tuple[str, ...] = (),
        key: str = "",
    ) -> None:
        """Add a change; raises DocumentError beyond the limit."""
        self._counted += done is not Done.ADDED
        if self.limit is not None and self._counted > self.limit:
            raise error_at(
                "",
                f"This changes or removes more than {self.limit:,} objects. Import it in parts, or "
                "by command at a quiet time.",
            )
        key = key or names[0]
        self.found.append(Change(done, kind, " ".join(names), fields, missing, key))


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
