"""Who acts: a user, a token, an app, a command or the system itself, as a context value."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """Kind of actor. Values are stored."""

    USER = "user"
    TOKEN = "token"  # noqa: S105  # no secret
    APP = "app"
    COMMAND = "command"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """Who acts, and from which address.

    `id`: the ID of the user, token or app, or the name of the command. `name`: that of the user,
    token or app; of the operating system's user who runs the command; or of the process.
    """

    kind: ActorKind
    name: str
    id: str | None = None
    address: str = ""


#: Without a user or a command it is Call Events itself that acts.
SYSTEM = Actor(ActorKind.SYSTEM, "Call Events")
WORKER = Actor(ActorKind.SYSTEM, "worker")

FindActor = Callable[[], Actor]


def _find_system() -> Actor:
    return SYSTEM


_find_actor: ContextVar[FindActor] = ContextVar("callevents_actor", default=_find_system)


def current_actor() -> Actor:
    """Return who acts now."""
    return _find_actor.get()()


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Let this actor act within the block."""
    token = _find_actor.set(lambda: actor)
    try:
        yield
    finally:
        _find_actor.reset(token)


def set_finder(find: FindActor | None) -> None:
    """Find the actor with this function from now on, at each action; None: the system acts.

    For web requests, where the user may change with a sign-in.
    """
    _find_actor.set(find or _find_system)
