"""The option --where, which chooses requests by values, and what it describes."""

import click

from callevents.hooks.queries import no_such_hook
from callevents.hooks.selection import HookWhere, Selection
from callevents.hooks.where import FIELDS, read_where
from callevents.pbxs import pbxs
from callevents.users.rights import EVERYTHING

where_option = click.option(
    "--where",
    multiple=True,
    metavar="NAME=VALUE",
    help=f"Choose requests; repeat it to narrow the choice. Names: {', '.join(FIELDS)}.",
)


event_ids_argument = click.argument("event_ids", nargs=-1, metavar="[EVENT_ID]...")


def parse_where(given: tuple[str, ...]) -> HookWhere:
    """Return the filter; raises click.UsageError, and InvalidError about a value."""
    texts: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in FIELDS or not value:
            raise click.UsageError(
                f"Invalid --where {text!r}. Write it like host=crm.example.com. "
                f"Names: {', '.join(FIELDS)}."
            )
        if name in texts:
            raise click.UsageError(f"Pass --where {name}=... only once.")
        texts[name] = value
    return read_where(texts, EVERYTHING, pbxs.get_pbx)


def read_selection(event_ids: tuple[str, ...], given: tuple[str, ...]) -> Selection:
    """Return the requests that Event IDs or --where choose; raises click.UsageError."""
    if bool(event_ids) == bool(given):
        raise click.UsageError(
            "Pass Event IDs, or --where, for example --where host=crm.example.com."
        )
    if not event_ids:
        return Selection(parse_where(given))
    chosen = Selection(event_ids=event_ids)
    known = {hook.event_id for hook in chosen.load()}
    if unknown := [one for one in event_ids if one not in known]:
        raise no_such_hook(unknown[0])
    return chosen
