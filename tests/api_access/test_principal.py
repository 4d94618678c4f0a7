"""What a token may do: its scopes, and its owner's rights now, as far as it reaches."""

import pytest

from callevents.api_access import api_tokens
from callevents.api_access.principal import Principal
from callevents.api_access.scopes import INSTALLATION_SCOPES, V1_SCOPES, ApiScope
from callevents.audit.actor import Actor, ActorKind
from callevents.db.models import Grant, Pbx, User
from callevents.db.session import begin_write
from callevents.enums import Right
from callevents.extensions import db
from callevents.pbxs import extensions
from callevents.users import lifecycle
from callevents.users.grants import parse_grant
from callevents.users.rights import Scope
from tests.api_access.adding import add_token, add_user
from tests.conftest import Configure


def principal(user: User, *scopes: str, pbx: Pbx | None = None) -> Principal:
    """Return the principal of a new token."""
    _, text = add_token(user, "Export", *scopes, pbx=pbx)
    return find(text)


def find(text: str) -> Principal:
    """Return the principal of a token, read again."""
    db.session.rollback()
    token = api_tokens.find_api_token(text)
    assert token is not None
    return api_tokens.principal_of(token)


def test_without_a_limit_the_owners_rights_count(ana: User, pbx: Pbx) -> None:
    """An admin's token may do all; the scopes are checked apart."""
    found = principal(ana, "hooks:read")
    assert found.may(Right.ADMINISTER)
    assert found.may(Right.MANAGE, pbx.id)
    assert found.scope_of(Right.EDIT).is_all
    assert [scope for scope in ApiScope if found.has_scope(scope)] == ["hooks:read"]


def test_rights_are_those_of_now(ana: User, pbx: Pbx) -> None:
    """A token loses what its owner loses, and gets what the owner gets."""
    bob = add_user("bob", "operator:head-office")
    _, text = add_token(bob)
    assert find(text).may(Right.EDIT, pbx.id)
    for role, may in (("viewer", False), ("admin", True)):
        begin_write()
        lifecycle.change_roles(bob, [parse_grant(role)])
        db.session.commit()
        assert find(text).may(Right.EDIT, pbx.id) is may


def test_limit_to_one_pbx(ana: User, pbx: Pbx, other_pbx: Pbx) -> None:
    """Nothing of others, and nothing of the whole installation."""
    found = principal(ana, "hooks:read", "tokens:write", pbx=pbx)
    assert (found.pbx_id, found.may(Right.MANAGE, pbx.id)) == (pbx.id, True)
    for right in Right:
        assert not found.may(right, other_pbx.id)
        assert not found.may(right)
        expected = Scope(pbx_ids=frozenset({pbx.id}))
        assert found.scope_of(right) == expected
    # No row was made for the limited grants.
    assert not db.session.new
    assert db.session.query(Grant).count() == 1


def test_limit_to_the_pbx_of_another_role(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """Of several roles, those that reach into the PBX count, as they are."""
    configure.extension("101")
    [own] = extensions.list_extensions(pbx)
    bob = add_user("bob", "self-service:head-office:101", "admin:branch", "viewer")
    found = principal(bob, "hooks:read", pbx=pbx)
    assert found.may(Right.EDIT, pbx.id, own.id)
    assert found.may(Right.SEE, pbx.id)
    assert not found.may(Right.EDIT, pbx.id)
    assert not found.may(Right.SEE, other_pbx.id)


@pytest.mark.parametrize("scope", sorted(INSTALLATION_SCOPES))
def test_stored_scopes_of_the_installation_allow_nothing(
    ana: User, pbx: Pbx, scope: ApiScope
) -> None:
    """A limited token that has one all the same, as by another version, does not get it."""
    token, text = add_token(ana, "x", *V1_SCOPES)
    assert find(text).has_scope(scope)
    begin_write()
    token.pbx_id = pbx.id
    db.session.commit()
    assert not find(text).has_scope(scope)
    assert find(text).has_scope(ApiScope.HOOKS_WRITE)


def test_unknown_stored_scopes_allow_nothing(ana: User) -> None:
    """Those of a newer version are ignored."""
    token, text = add_token(ana)
    begin_write()
    token.scopes = "hooks:read faxes:read"
    db.session.commit()
    assert find(text).scopes == {ApiScope.HOOKS_READ}


def test_actor(ana: User) -> None:
    """The history names the token."""
    token, text = add_token(ana)
    expected = Actor(ActorKind.TOKEN, "Export", token.id, "192.0.2.7")
    assert find(text).as_actor("192.0.2.7") == expected
