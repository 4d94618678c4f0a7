"""Commands for groups of extensions."""

import click
from flask.cli import AppGroup

from callevents.cli.output import Values, handle_errors, json_option, print_list, print_result
from callevents.counted import counted
from callevents.db.models import Extension, ExtensionGroup, Pbx
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import groups, pbxs
from callevents.pbxs.extension_numbers import find_by_numbers, read_numbers
from callevents.pbxs.groups import GroupData

group = AppGroup("groups", help="Manage groups of extensions.")

pattern_option = click.option(
    "--pattern", help="A regular expression; extensions whose whole number matches are members."
)
members_option = click.option(
    "--members", help="Extensions that are always members, for example 101,103 or 100-139."
)

template_option = click.option(
    "--template", help="The extension whose requests new members get; an empty text: none."
)


@group.command("add")
@click.argument("pbx")
@click.argument("name")
@pattern_option
@members_option
@template_option
@json_option
@handle_errors
def add_group(
    pbx: str,
    name: str,
    pattern: str | None,
    members: str | None,
    template: str | None,
    as_json: bool,
) -> None:
    """Add the group NAME to a PBX, by list, by pattern, or both."""
    begin_write()
    found = pbxs.get_pbx(pbx)
    chosen = find_by_numbers(found, read_numbers(members or "", "members"), "members")
    data = GroupData(name, pattern or "", chosen, _find_template(found, template or ""))
    made = groups.add_group(found, data)
    _finish(made, "Added", as_json=as_json)


@group.command("set")
@click.argument("pbx")
@click.argument("name")
@click.option("--name", "new_name", help="Another name.")
@pattern_option
@members_option
@template_option
@json_option
@handle_errors
def set_group(
    pbx: str,
    name: str,
    new_name: str | None,
    pattern: str | None,
    members: str | None,
    template: str | None,
    as_json: bool,
) -> None:
    """Change the group NAME. What you omit stays; an empty text removes pattern or members."""
    begin_write()
    found = pbxs.get_pbx(pbx)
    changed = groups.get_group(found, name)
    chosen = groups.list_members(changed, only_chosen=True)
    if members is not None:
        chosen = find_by_numbers(found, read_numbers(members, "members"), "members")
    new_pattern = changed.pattern if pattern is None else pattern
    source = groups.find_template(changed)
    if template is not None:
        source = _find_template(found, template)
    groups.change_group(changed, GroupData(new_name or name, new_pattern, chosen, source))
    _finish(changed, "Changed", as_json=as_json)


@group.command("remove")
@click.argument("pbx")
@click.argument("name")
@json_option
@handle_errors
def remove_group(pbx: str, name: str, as_json: bool) -> None:
    """Remove the group NAME. Its extensions and their requests stay."""
    begin_write()
    removed = groups.get_group(pbxs.get_pbx(pbx), name)
    values = _to_values(removed)
    groups.remove_group(removed)
    db.session.commit()
    print_result(values, f"Removed group {name}.", as_json)


@group.command("list")
@click.argument("pbx")
@json_option
@handle_errors
def list_groups(pbx: str, as_json: bool) -> None:
    """List the groups of a PBX."""
    found = pbxs.get_pbx(pbx)
    counts = groups.count_members(found)
    print_list(
        groups.list_groups(found),
        lambda one: {"name": one.name, "pattern": one.pattern, "members": counts.get(one.id, 0)},
        as_json,
    )


@group.command("show")
@click.argument("pbx")
@click.argument("name")
@json_option
@handle_errors
def show_group(pbx: str, name: str, as_json: bool) -> None:
    """Show the group NAME and the numbers of its members."""
    values = _to_values(groups.get_group(pbxs.get_pbx(pbx), name))
    members = ", ".join(values["members"]) or "none"
    lines = (f"{name}: {values[name]}" for name in ("name", "pattern", "template"))
    text = "\n".join((*lines, f"members: {members}"))
    print_result(values, text, as_json)


def _find_template(pbx: Pbx, number: str) -> Extension | None:
    return find_by_numbers(pbx, [number], "template")[0] if number else None


def _finish(changed: ExtensionGroup, verb: str, *, as_json: bool) -> None:
    values = _to_values(changed)
    db.session.commit()
    members = counted(len(values["members"]), "member")
    print_result(values, f"{verb} group {values['name']}: {members}.", as_json)


def _to_values(shown: ExtensionGroup) -> Values:
    template = groups.find_template(shown)
    return {
        "name": shown.name,
        "pattern": shown.pattern,
        "template": template.number if template else "",
        "members": [one.number for one in groups.list_members(shown)],
        "chosen": [one.number for one in groups.list_members(shown, only_chosen=True)],
    }
