"""Which role has which right, and the conditions that follow from it."""

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, select

from callevents.db.models import CallEvent, Delivery, Extension, Grant, Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType, Method, Right, Role
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.hooks import HookData
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import extensions, pbxs
from callevents.users import users
from callevents.users.grants import NewGrant, describe_grant, set_grants
from callevents.users.rights import EVERYTHING, Scope, is_allowed

SEE, SEE_PBX, EDIT = Right.SEE, Right.SEE_PBX, Right.EDIT
EDIT_EXTENSIONS, MANAGE, ADMINISTER = Right.EDIT_EXTENSIONS, Right.MANAGE, Right.ADMINISTER
OWN = "01a2283e-0000-7000-8000-000000000001"
OTHER = "01a2283e-0000-7000-8000-000000000002"


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.ADMIN, {SEE, SEE_PBX, EDIT, EDIT_EXTENSIONS, MANAGE, ADMINISTER}),
        (Role.OPERATOR, {SEE, SEE_PBX, EDIT, EDIT_EXTENSIONS}),
        (Role.VIEWER, {SEE, SEE_PBX}),
    ],
)
def test_roles_of_pbxs(role: Role, rights: set[Right]) -> None:
    """A role for a PBX covers its extensions; one for all PBXs covers everything."""
    of_one, of_all = [Grant(role=role, pbx_id=1)], [Grant(role=role)]
    for right in Right:
        has_it = right in rights
        # It is never for one PBX only.
        has_it_of_one = has_it and right is not ADMINISTER
        assert is_allowed(of_one, right, 1) is has_it_of_one
        assert is_allowed(of_one, right, 1, OWN) is has_it_of_one
        assert is_allowed(of_all, right, 2, OWN) is has_it
        assert is_allowed(of_all, right) is has_it
        assert not is_allowed(of_one, right, 2)
        assert not is_allowed(of_one, right, 2, OWN)
        assert not is_allowed(of_one, right)


@pytest.mark.parametrize("right", Right)
def test_self_service(right: Right) -> None:
    """The owner of an extension sees and edits it, and nothing else."""
    grants = [Grant(role=Role.SELF_SERVICE, pbx_id=1, extension_id=OWN)]
    assert is_allowed(grants, right, 1, OWN) is (right in {SEE, EDIT})
    assert not is_allowed(grants, right, 1, OTHER)
    assert not is_allowed(grants, right, 2, OWN)
    assert not is_allowed(grants, right, 1)
    assert not is_allowed(grants, right)


def test_self_service_of_nothing() -> None:
    """A grant that lost its extension allows nothing; nor do no grants."""
    for grants in ([Grant(role=Role.SELF_SERVICE)], [Grant(role=Role.SELF_SERVICE, pbx_id=1)], []):
        assert not any(is_allowed(grants, right, 1, OWN) for right in Right)
        assert not any(is_allowed(grants, right) for right in Right)
        assert Scope.of(grants, SEE).is_empty


def test_several_grants_add_up() -> None:
    """A user may do what any of the grants allows."""
    grants = [
        Grant(role=Role.VIEWER),
        Grant(role=Role.OPERATOR, pbx_id=1),
        Grant(role=Role.SELF_SERVICE, pbx_id=2, extension_id=OWN),
    ]
    assert is_allowed(grants, SEE_PBX, 3)
    assert [is_allowed(grants, EDIT, pbx_id) for pbx_id in (1, 2, 3)] == [True, False, False]
    assert is_allowed(grants, EDIT, 2, OWN)
    scope = Scope.of(grants, EDIT)
    assert [scope.touches(pbx_id) for pbx_id in (1, 2, 3)] == [True, True, False]
    assert [scope.has_pbx(pbx_id) for pbx_id in (1, 2, 3)] == [True, False, False]


def _fill() -> tuple[Pbx, Pbx, Extension]:
    """Add two PBXs, each with extensions, requests, events and deliveries."""
    begin_write()
    found = []
    for name in ("One", "Two"):
        pbx, _ = pbxs.add_pbx(name)
        for number in ("101", "102"):
            extension = extensions.add_extension(pbx, number)
            _add_hook(pbx, extension)
            found.append(extension)
        _add_hook(pbx, None)
        for number in ("101", "102"):
            accept(pbx, [Report(event_type=EventType.DIAL_IN, extension=number)])
    db.session.commit()
    first, second = (db.session.get_one(Pbx, found[number].pbx_id) for number in (0, 2))
    return first, second, found[0]


def _add_hook(pbx: Pbx, extension: Extension | None) -> None:
    data = HookData(url="https://crm.example.com/", method=Method.GET, active=True, note="")
    hooks.create_hook(pbx, extension, EventType.DIAL_IN, data)


def _counts(scope: Scope) -> list[int]:
    """Return the numbers of PBXs, extensions, hooks, deliveries and events in the scope."""

    def count(column: object, condition: ColumnElement[bool]) -> int:
        return len(db.session.scalars(select(column).where(condition)).all())  # type: ignore[call-overload]

    return [
        count(Pbx.id, scope.of_pbxs()),
        count(Extension.id, scope.of_extensions()),
        count(Hook.id, scope.of_hooks()),
        count(Delivery.id, scope.of_deliveries()),
        count(CallEvent.id, scope.of_events()),
    ]


def test_conditions(app: Flask) -> None:
    """Each condition selects what the grants cover."""
    first, second, own = _fill()
    of_one = Grant(role=Role.VIEWER, pbx_id=second.id)
    of_own = Grant(role=Role.SELF_SERVICE, pbx_id=first.id, extension_id=own.id)

    def counts(*grants: Grant) -> list[int]:
        return _counts(Scope.of(grants, SEE))

    assert _counts(EVERYTHING) == counts(Grant(role=Role.VIEWER)) == [2, 4, 6, 8, 4]
    assert counts(of_one) == [1, 2, 3, 4, 2]
    assert counts(of_own) == [1, 1, 1, 1, 1]
    assert counts(of_one, of_own) == [2, 3, 4, 5, 3]
    assert counts() == [0, 0, 0, 0, 0]
    assert _counts(Scope.of([of_one], EDIT)) == [0, 0, 0, 0, 0]


def test_calls_before_the_extension(app: Flask) -> None:
    """The owner of a number that is added again does not see the calls of who had it before."""
    first, _, own = _fill()
    begin_write()
    extensions.delete_extension(own)
    added = extensions.add_extension(first, "101")
    db.session.commit()
    grant = Grant(role=Role.SELF_SERVICE, pbx_id=first.id, extension_id=added.id)
    assert _counts(Scope.of([grant], SEE))[-1] == 0
    begin_write()
    accept(first, [Report(event_type=EventType.DIAL_IN, extension="101", call_id="new")])
    db.session.commit()
    assert _counts(Scope.of([grant], SEE))[-1] == 1


def test_set_grants(app: Flask) -> None:
    """Grants are replaced as a whole, and named as commands name them."""
    first, second, own = _fill()
    begin_write()
    user = users.add_user("ana", "long enough for a test", Role.ADMIN)
    twice = NewGrant(Role.OPERATOR, second)
    set_grants(user, [twice, twice, NewGrant(Role.SELF_SERVICE, first, own)])
    db.session.commit()
    assert [describe_grant(grant) for grant in user.grants] == [
        "operator:two",
        "self-service:one:101",
    ]
    assert not user.is_admin
    begin_write()
    for wrong in (
        NewGrant(Role.SELF_SERVICE, first),
        NewGrant(Role.VIEWER, first, own),
        NewGrant(Role.SELF_SERVICE, second, own),
    ):
        with pytest.raises(InvalidError):
            set_grants(user, [wrong])
    assert len(user.grants) == 2


def test_what_is_gone_grants_nothing(app: Flask) -> None:
    """Removing an extension removes its grants, and widens none."""
    first, _, own = _fill()
    begin_write()
    user = users.add_user("ana", "long enough for a test", Role.ADMIN)
    set_grants(user, [NewGrant(Role.SELF_SERVICE, first, own)])
    extensions.delete_extension(own)
    db.session.commit()
    db.session.refresh(user)
    assert user.grants == []
