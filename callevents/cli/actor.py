"""The actor of a command, for the history: the operating system's user, and the command's name."""

import os
import pwd

import click

from callevents.audit import Actor, ActorKind


def find_actor() -> Actor:
    """Return who runs the command. Its arguments are left out: they may be secrets."""
    return Actor(ActorKind.COMMAND, _find_user(), _find_command())


def _find_user() -> str:
    # Unlike the environment, it cannot be chosen freely.
    user_id = os.getuid()
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"uid {user_id}"


def _find_command() -> str:
    names: list[str] = []
    context = click.get_current_context(silent=True)
    # The first one is the program, which may be called by any path.
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(["flask", *names])
