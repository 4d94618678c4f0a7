"""The commands. Each prints for people, or JSON for programs with --json; errors are a sentence."""

from flask import Flask

from callevents.cli import (
    captures,
    connectors,
    deliveries,
    extensions,
    hooks,
    pbxs,
    programs,
    secrets,
    upkeep,
    users,
)


def init_app(app: Flask) -> None:
    """Register the commands."""
    pbxs.group.add_command(captures.replay)
    pbxs.group.add_command(captures.capture)
    pbxs.group.add_command(connectors.group)
    for module in (pbxs, extensions, hooks, deliveries, users, secrets):
        app.cli.add_command(module.group)
    for command in (
        programs.web,
        programs.work,
        programs.listen,
        programs.up,
        upkeep.status,
        upkeep.purge,
    ):
        app.cli.add_command(command)
