"""Groups of extensions: list, add, change, remove."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import select

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.group_models import Group, GroupChanges, NewGroup
from callevents.api.v1.models import ListQuery, NoQuery, Page
from callevents.api.v1.operations import Created, operation
from callevents.api.v1.pbx_lookup import lock_pbx_of, read_pbx
from callevents.api.v1.problems import ProblemType, not_found
from callevents.api.v1.reading import invalid_value
from callevents.api_access.scopes import ApiScope
from callevents.db.models import Extension, ExtensionGroup, Pbx
from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs import groups
from callevents.pbxs.extension_numbers import find_by_numbers
from callevents.pbxs.groups import GroupData

TAG = "Groups"
EXAMPLE = {
    "id": "7",
    "pbx": "head-office",
    "name": "Sales",
    "pattern": "1[0-3]\\d",
    "extensions": ["201"],
    "template": "101",
    "member_count": 12,
    "created_at": "2026-03-01T09:30:00.000Z",
}


@operation(
    "GET",
    "/pbxs/{slug}/groups",
    scope=ApiScope.PBXS_READ,
    summary="List groups",
    tag=TAG,
    query=ListQuery,
    answer=Page[Group],
    answer_example={"data": [EXAMPLE], "next_cursor": None},
)
def list_groups(call: Call[ListQuery, None], slug: str) -> Page[Group]:
    """Return the groups of a PBX, newest first."""
    pbx, query = read_pbx(call, slug), call.query
    list_name = f"groups:{pbx.id}"
    found = select(ExtensionGroup).where(ExtensionGroup.pbx_id == pbx.id)
    if start := find_start(query, list_name):
        found = found.where(ExtensionGroup.id < int(start))
    newest = found.order_by(ExtensionGroup.id.desc()).limit(query.limit + 1)
    rows = db.session.scalars(newest).all()
    members = _Members.of(pbx, rows)
    return make_page(query, list_name, rows, lambda group: group.id, members.show)


@operation(
    "POST",
    "/pbxs/{slug}/groups",
    scope=ApiScope.PBXS_WRITE,
    summary="Add a group",
    tag=TAG,
    status=201,
    body=NewGroup,
    answer=Group,
    has_etag=True,
    body_example={"name": "Sales", "pattern": "1[0-3]\\d", "extensions": ["101"]},
    answer_example=EXAMPLE,
)
def create_group(call: Call[NoQuery, NewGroup], slug: str) -> Created:
    """Add a group to a PBX: by a pattern, by a list of extensions, or by both.

    Extensions that are members now get no hooks of the template; those that join later do.
    """
    pbx, body = lock_pbx_of(call, slug, Right.EDIT_EXTENSIONS), call.body
    data = GroupData(
        body.name,
        body.pattern or "",
        _find_chosen(pbx, body.extensions),
        _find_template(pbx, body.template),
    )
    group = groups.add_group(pbx, data)
    return Created(_show(pbx, group), f"/pbxs/{pbx.slug}/groups/{group.id}")


@operation(
    "GET",
    "/pbxs/{slug}/groups/{group_id}",
    scope=ApiScope.PBXS_READ,
    summary="Get a group",
    tag=TAG,
    answer=Group,
    has_etag=True,
    answer_example=EXAMPLE,
)
def get_group(call: Call[NoQuery, None], slug: str, group_id: str) -> Group:
    """Return a group. `/extensions?pbx=...&group=...` lists its members."""
    pbx = read_pbx(call, slug)
    return _show(pbx, _find(pbx, group_id))


@operation(
    "PATCH",
    "/pbxs/{slug}/groups/{group_id}",
    scope=ApiScope.PBXS_WRITE,
    summary="Change a group",
    tag=TAG,
    body=GroupChanges,
    answer=Group,
    has_etag=True,
    body_example={"pattern": None, "extensions": ["101"]},
    answer_example=EXAMPLE | {"pattern": None, "extensions": ["101"], "member_count": 1},
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def update_group(call: Call[NoQuery, GroupChanges], slug: str, group_id: str) -> Group:
    """Change the fields that you send. Members that leave the group keep their hooks."""
    pbx = lock_pbx_of(call, slug, Right.EDIT_EXTENSIONS)
    group, given = _find(pbx, group_id), call.body.given()
    call.check_match(_show(pbx, group))
    data = GroupData(
        given.get("name", group.name),
        given.get("pattern", group.pattern) or "",
        _find_chosen(pbx, given["extensions"])
        if "extensions" in given
        else groups.list_members(group, only_chosen=True),
        _find_template(pbx, given["template"])
        if "template" in given
        else groups.find_template(group),
    )
    groups.change_group(group, data)
    return _show(pbx, group)


@operation(
    "DELETE",
    "/pbxs/{slug}/groups/{group_id}",
    scope=ApiScope.PBXS_WRITE,
    summary="Remove a group",
    tag=TAG,
    status=204,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def delete_group(call: Call[NoQuery, None], slug: str, group_id: str) -> None:
    """Remove a group. Its extensions and their hooks stay."""
    pbx = lock_pbx_of(call, slug, Right.EDIT_EXTENSIONS)
    group = _find(pbx, group_id)
    call.check_match(_show(pbx, group))
    groups.remove_group(group)


@dataclass(frozen=True)
class _Members:
    """What is shown of groups and has to be looked up, by their IDs."""

    slug: str
    counts: Mapping[int, int]
    chosen: Mapping[int, Sequence[str]]
    #: Numbers of extensions by ID.
    templates: Mapping[str, str]

    @classmethod
    def of(cls, pbx: Pbx, rows: Sequence[ExtensionGroup]) -> Self:
        """Look it up for these groups of the PBX."""
        ids = [group.template_id for group in rows if group.template_id]
        query = select(Extension.id, Extension.number).where(Extension.id.in_(ids))
        return cls(
            pbx.slug,
            groups.count_members(pbx),
            groups.list_chosen([group.id for group in rows]),
            {row.id: row.number for row in db.session.execute(query)},
        )

    def show(self, group: ExtensionGroup) -> Group:
        """Return the group as the API shows it."""
        return Group(
            id=str(group.id),
            pbx=self.slug,
            name=group.name,
            pattern=group.pattern or None,
            extensions=self.chosen.get(group.id, ()),
            template=self.templates.get(group.template_id or ""),
            member_count=self.counts.get(group.id, 0),
            created_at=group.created_at,
        )


def _show(pbx: Pbx, group: ExtensionGroup) -> Group:
    return _Members.of(pbx, [group]).show(group)


def _find(pbx: Pbx, group_id: str) -> ExtensionGroup:
    for group in groups.list_groups(pbx):
        if str(group.id) == group_id:
            return group
    raise not_found("group")


def _find_chosen(pbx: Pbx, numbers: Sequence[str] | None) -> Sequence[Extension]:
    """Return the extensions with these numbers; raises ApiError."""
    try:
        return find_by_numbers(pbx, list(dict.fromkeys(numbers or ())), "extensions")
    except InvalidError:
        sentence = "The PBX does not have all of these extensions."
        raise invalid_value("#/extensions", sentence) from None


def _find_template(pbx: Pbx, number: str | None) -> Extension | None:
    """Return the extension with the number, None without one; raises ApiError."""
    try:
        return find_by_numbers(pbx, [number], "template")[0] if number is not None else None
    except InvalidError:
        raise invalid_value("#/template", "The PBX has no such extension.") from None
