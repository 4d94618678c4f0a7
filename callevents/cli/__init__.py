"""The commands. Each prints text, or JSON with --json; an error is a message, not a traceback."""

from flask import Flask

from callevents.cli import (
    apps,
    audit,
    captures,
    configuration,
    connectors,
    deliveries,
    erase,
    extension_batches,
    extensions,
    groups,
    hook_bulk,
    hook_resume,
    hook_show,
    hook_undo,
    hooks,
    openapi,
    operations,
    pbx_removal,
    pbx_tokens,
    pbxs,
    processes,
    receiver_actions,
    receivers,
    recipes,
    second_factor,
    secrets,
    tokens,
    users,
)


def init_app(app: Flask) -> None:
    """Register the commands."""
    pbxs.group.add_command(captures.replay)
    pbxs.group.add_command(captures.capture)
    users.group.add_command(second_factor.reset)
    pbxs.group.add_command(connectors.group)
    pbxs.group.add_command(pbx_removal.remove_pbx)
    pbxs.group.add_command(pbx_tokens.group)
    for command in (
        receiver_actions.test_receiver,
        receiver_actions.edit_users,
        receiver_actions.recover,
    ):
        receivers.group.add_command(command)
    for command in (
        hook_show.show_hook,
        *hook_bulk.COMMANDS,
        hook_resume.resume_hooks,
        hook_undo.undo_change,
    ):
        hooks.group.add_command(command)
    for command in (extension_batches.import_extensions, extension_batches.add_range):
        extensions.group.add_command(command)
    accounts = (users, tokens, apps)
    of_requests = (hooks, deliveries, receivers, recipes)
    for module in (
        pbxs,
        extensions,
        groups,
        *of_requests,
        *accounts,
        secrets,
        audit,
        configuration,
    ):
        app.cli.add_command(module.group)
    for command in (
        processes.web,
        processes.work,
        processes.listen,
        processes.up,
        operations.status,
        operations.purge,
        erase.erase,
        openapi.print_openapi,
    ):
        app.cli.add_command(command)
