"""Groups of extensions: list, add, change, remove."""

from typing import Any

from flask import Blueprint, render_template, request, url_for

from callevents.db.models import ExtensionGroup, Pbx
from callevents.enums import Right
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.pbxs import groups, pbxs
from callevents.pbxs.extension_numbers import find_by_numbers, read_numbers
from callevents.pbxs.groups import GroupData
from callevents.web import dialogs, htmx
from callevents.web.access import requires
from callevents.web.extension_forms import GroupForm

bp = Blueprint("groups", __name__, url_prefix="/pbxs/<slug>/groups")

GROUPS_CHANGED = "groups-changed"


@bp.get("")
@requires(Right.SEE)
def index(slug: str) -> str:
    """List the groups of the PBX."""
    pbx = pbxs.get_pbx(slug)
    return render_template(
        "groups/_list.html" if htmx.is_htmx() else "groups/index.html",
        pbx=pbx,
        groups=groups.list_groups(pbx),
        counts=groups.count_members(pbx),
    )


@bp.route("/new", methods=["GET", "POST"])
@requires(Right.EDIT_EXTENSIONS)
def add(slug: str) -> Any:
    """Show the form of a new group; add it."""
    pbx = pbxs.get_pbx(slug)
    form = GroupForm(request.form if request.method == "POST" else None)
    if request.method == "POST":
        try:
            added = groups.add_group(pbx, _read(pbx, form))
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            return _finish(pbx, f"The group {added.name} is added.")
    return _show(pbx, form, None)


@bp.route("/<int:group_id>", methods=["GET", "POST"])
@requires(Right.EDIT_EXTENSIONS)
def change(slug: str, group_id: int) -> Any:
    """Show the form; change the group."""
    pbx = pbxs.get_pbx(slug)
    group = _get(pbx, group_id)
    if request.method == "GET":
        chosen = groups.list_members(group, only_chosen=True)
        numbers = ", ".join(extension.number for extension in chosen)
        template = groups.find_template(group)
        values = {
            "name": group.name,
            "pattern": group.pattern,
            "members": numbers,
            "template": template.number if template else "",
        }
        return _show(pbx, GroupForm(data=values), group)
    form = GroupForm(request.form)
    try:
        groups.change_group(group, _read(pbx, form))
    except InvalidError as error:
        db.session.rollback()
        form.add_errors(error)
        return _show(pbx, form, group)
    db.session.commit()
    return _finish(pbx, f"The group {group.name} is changed.")


@bp.route("/<int:group_id>/remove", methods=["GET", "POST"])
@requires(Right.EDIT_EXTENSIONS)
def remove(slug: str, group_id: int) -> Any:
    """Confirm; remove the group."""
    pbx = pbxs.get_pbx(slug)
    group = _get(pbx, group_id)
    if request.method == "GET":
        return dialogs.show("groups/remove.html", pbx=pbx, group=group)
    name = group.name
    groups.remove_group(group)
    db.session.commit()
    return _finish(pbx, f"The group {name} is removed.")


def _get(pbx: Pbx, group_id: int) -> ExtensionGroup:
    for group in groups.list_groups(pbx):
        if group.id == group_id:
            return group
    raise NotFoundError(f"{pbx.name} has no such group.")


def _read(pbx: Pbx, form: GroupForm) -> GroupData:
    numbers = read_numbers(form.members.data or "", "members")
    chosen = find_by_numbers(pbx, numbers, "members")
    number = (form.template.data or "").strip()
    template = find_by_numbers(pbx, [number], "template")[0] if number else None
    return GroupData(form.name.data or "", form.pattern.data or "", chosen, template)


def _show(pbx: Pbx, form: GroupForm, group: ExtensionGroup | None) -> Any:
    return dialogs.show_form("groups/edit.html", form, pbx=pbx, group=group)


def _finish(pbx: Pbx, text: str) -> Any:
    return dialogs.finish(text, url_for(".index", slug=pbx.slug), GROUPS_CHANGED)
