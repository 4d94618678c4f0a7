"""Commands for PBXs."""

import click
from flask.cli import AppGroup

from callevents.cli.output import (
    Values,
    handle_errors,
    json_option,
    print_list,
    print_result,
    read_secret,
)
from callevents.cli.pbx_data_protection import (
    change_data_protection,
    describe_data_protection,
)
from callevents.cli.pbx_number_plan import (
    change_number_plan,
    number_plan_options,
    number_plan_values,
    take_number_plan,
)
from callevents.cli.pbx_quotas import describe_usage, quota_options, usage_values
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import Format
from callevents.extensions import db
from callevents.pbxs import pbxs, quotas
from callevents.pbxs.number_plan import describe as describe_number_plan

group = AppGroup("pbx", help="Add, configure and remove PBXs.")


_format_option = click.option(
    "--format",
    "format_name",
    type=click.Choice([format_.value for format_ in Format]),
    help="Format of its reports; see docs/integrations.",
)


@group.command("add")
@click.argument("name")
@_format_option
@json_option
@handle_errors
def add_pbx(name: str, format_name: str | None, as_json: bool) -> None:
    """Add a PBX and print its ingest token, only once."""
    begin_write()
    pbx, token = pbxs.add_pbx(name)
    if format_name:
        pbxs.set_format(pbx, format_name)
    db.session.commit()
    text = (
        f"Added PBX {pbx.name!r}. Its name in URLs and commands is {pbx.slug}.\n"
        f"Ingest token, shown only once:\n{token}"
    )
    print_result({**_to_values(pbx), "token": token}, text, as_json)


@group.command("set")
@click.argument("pbx")
@_format_option
@click.option(
    "--format-secret",
    help="Secret to verify report signatures with; empty disables the check, - reads it from "
    "standard input.",
)
@quota_options
@click.option(
    "--retention-days",
    metavar="NUMBER",
    help="Days for which its call events are kept; none: as long as those of all PBXs.",
)
@click.option(
    "--hide-numbers/--show-numbers",
    "hides_numbers",
    default=None,
    help="Whether only its admins see whole phone numbers.",
)
@number_plan_options
@json_option
@handle_errors
def set_pbx(  # an option each
    pbx: str,
    format_name: str | None,
    format_secret: str | None,
    retention_days: str | None,
    hides_numbers: bool | None,
    as_json: bool,
    **more: str | None,
) -> None:
    """Change the report format, quotas, data protection or number plan of a PBX.

    Options that you omit keep their value.
    """
    plan = take_number_plan(more)
    given = {name: limit for name, limit in more.items() if limit is not None}
    protects = retention_days is not None or hides_numbers is not None
    sets_format = format_name is not None or format_secret is not None
    sets_format = sets_format or not (given or protects or plan)
    begin_write()
    found = pbxs.get_pbx(pbx)
    if protects:
        change_data_protection(found, retention_days, hides_numbers)
    if plan:
        change_number_plan(found, plan)
    if sets_format:
        pbxs.set_format(found, format_name or found.format, read_secret(format_secret))
    if given:
        quotas.set_quotas(found, quotas.read_quotas(given))
    db.session.commit()
    signed = ", signed" if found.format_secret else ""
    lines = [f"Report format of {found.name}: {found.format.label}{signed}."] * sets_format
    lines += [describe_data_protection(found)] * protects
    lines += [describe_number_plan(found)] * bool(plan)
    usage = quotas.load_usage(found) if given else []
    lines += describe_usage(usage)
    values = _to_values(found) | number_plan_values(found)
    values |= {"quotas": usage_values(usage)} if usage else {}
    print_result(values, "\n".join(lines), as_json)


@group.command("show")
@click.argument("pbx")
@json_option
@handle_errors
def show_pbx(pbx: str, as_json: bool) -> None:
    """Show a PBX: its format, and how much it uses of its quotas."""
    found = pbxs.get_pbx(pbx)
    usage = quotas.load_usage(found)
    lines = [f"{found.name} ({found.slug})", f"Report format: {found.format.label}"]
    lines += [describe_data_protection(found), describe_number_plan(found)]
    values = _to_values(found) | number_plan_values(found) | {"quotas": usage_values(usage)}
    print_result(values, "\n".join([*lines, *describe_usage(usage)]), as_json)


@group.command("list")
@json_option
@handle_errors
def list_pbxs(as_json: bool) -> None:
    """List the PBXs."""
    print_list(pbxs.list_pbxs(), _to_values, as_json)


def _to_values(pbx: Pbx) -> Values:
    return {"slug": pbx.slug, "name": pbx.name, "format": pbx.format}
