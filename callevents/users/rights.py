"""Who may do what: the one place that decides, for pages and for programs.

A grant is a role for all PBXs, for one PBX, or for one extension. A user may do what one of the
grants allows.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, false, or_, select, true

from callevents.db.models import (
    CallEvent,
    Delivery,
    Extension,
    ExtensionGroup,
    Grant,
    GroupMember,
    Hook,
    Pbx,
    Receiver,
)
from callevents.enums import Right, Role

RIGHTS = {
    Role.ADMIN: frozenset(Right),
    Role.OPERATOR: frozenset({Right.SEE, Right.SEE_PBX, Right.EDIT, Right.EDIT_EXTENSIONS}),
    Role.VIEWER: frozenset({Right.SEE, Right.SEE_PBX}),
    Role.SELF_SERVICE: frozenset({Right.SEE, Right.EDIT}),
}


def is_allowed(
    grants: Iterable[Grant],
    right: Right,
    pbx_id: int | None = None,
    extension_id: str | None = None,
) -> bool:
    """Return True if a grant has the right for the extension, the whole PBX, or all PBXs (None)."""
    if right is Right.ADMINISTER:
        # What an admin of one PBX may not do, not even to that one.
        pbx_id = extension_id = None
    return any(
        right in RIGHTS[grant.role] and _covers(grant, pbx_id, extension_id) for grant in grants
    )


def _covers(grant: Grant, pbx_id: int | None, extension_id: str | None) -> bool:
    if grant.pbx_id is not None and grant.pbx_id != pbx_id:
        return False
    if grant.role is Role.SELF_SERVICE:
        return extension_id is not None and grant.extension_id == extension_id
    return True


@dataclass(frozen=True)
class Scope:
    """That for which grants have a right: all, or these PBXs, and these extensions of others."""

    is_all: bool = False
    pbx_ids: frozenset[int] = frozenset()
    extension_ids: frozenset[str] = frozenset()
    #: The PBXs of the extensions.
    partial_pbx_ids: frozenset[int] = frozenset()

    @classmethod
    def of(cls, grants: Iterable[Grant], right: Right) -> "Scope":
        """Return that for which the grants have the right."""
        having = [grant for grant in grants if right in RIGHTS[grant.role]]
        of_pbxs = [grant.pbx_id for grant in having if grant.role is not Role.SELF_SERVICE]
        own = [grant for grant in having if grant.role is Role.SELF_SERVICE]
        return cls(
            is_all=None in of_pbxs,
            pbx_ids=frozenset(pbx_id for pbx_id in of_pbxs if pbx_id is not None),
            extension_ids=frozenset(one.extension_id for one in own if one.extension_id),
            partial_pbx_ids=frozenset(one.pbx_id for one in own if one.pbx_id is not None),
        )

    @property
    def is_empty(self) -> bool:
        """True if there is nothing for which the right is granted."""
        return not (self.is_all or self.pbx_ids or self.extension_ids)

    def touches(self, pbx_id: int) -> bool:
        """Return True if the PBX, or one of its extensions, is in the scope."""
        return self.has_pbx(pbx_id) or pbx_id in self.partial_pbx_ids

    def has_pbx(self, pbx_id: int) -> bool:
        """Return True if the whole PBX is in the scope."""
        return self.is_all or pbx_id in self.pbx_ids

    @property
    def has_any_pbx(self) -> bool:
        """True if a whole PBX is in the scope."""
        return self.is_all or bool(self.pbx_ids)

    def of_pbxs(self) -> ColumnElement[bool]:
        """Return the condition for PBXs that are in the scope, or have extensions in it."""
        return true() if self.is_all else Pbx.id.in_(self.pbx_ids | self.partial_pbx_ids)

    def of_extensions(self) -> ColumnElement[bool]:
        """Return the condition for extensions."""
        return self._of(Extension.pbx_id, Extension.id.in_(self.extension_ids))

    def of_groups(self) -> ColumnElement[bool]:
        """Return the condition for groups of extensions: those with a member in the scope.

        Of a whole PBX, groups without members are in it, too.
        """
        own = select(GroupMember.group_id).where(GroupMember.extension_id.in_(self.extension_ids))
        return self._of(ExtensionGroup.pbx_id, ExtensionGroup.id.in_(own))

    def of_hooks(self) -> ColumnElement[bool]:
        """Return the condition for hooks. One for all extensions belongs to the whole PBX."""
        return self._of(Hook.pbx_id, Hook.extension_id.in_(self.extension_ids))

    def of_receivers(self) -> ColumnElement[bool]:
        """Return the condition for receivers that requests in the scope can use."""
        if self.is_all or self.is_empty:
            return true() if self.is_all else false()
        pbx_ids = self.pbx_ids | self.partial_pbx_ids
        return or_(Receiver.pbx_id.is_(None), Receiver.pbx_id.in_(pbx_ids))

    def of_deliveries(self, one: type[Delivery] = Delivery) -> ColumnElement[bool]:
        """Return the condition for deliveries: those of the hooks."""
        own = select(Hook.id).where(Hook.extension_id.in_(self.extension_ids))
        return self._of(one.pbx_id, one.hook_id.in_(own))

    def of_events(self, one: type[CallEvent] = CallEvent) -> ColumnElement[bool]:
        """Return the condition for call events: those of the extensions.

        A number may have belonged to another extension before, whose calls are not its owner's.
        """
        own = (
            select(Extension.id)
            .where(
                Extension.pbx_id == one.pbx_id,
                Extension.number == one.extension,
                Extension.created_at <= one.received_at,
                Extension.id.in_(self.extension_ids),
            )
            .correlate(one)
        )
        return self._of(one.pbx_id, own.exists())

    def _of(self, pbx_id: object, is_own: ColumnElement[bool]) -> ColumnElement[bool]:
        if self.is_all:
            return true()
        conditions = [is_own] if self.extension_ids else []
        if self.pbx_ids:
            conditions.append(pbx_id.in_(self.pbx_ids))  # type: ignore[attr-defined]  # a column
        return or_(false(), *conditions)


#: Everything: for commands and background work.
EVERYTHING = Scope(is_all=True)
