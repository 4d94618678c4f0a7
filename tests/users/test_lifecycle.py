"""Users are disabled, enabled, removed, and get other roles; the last enabled admin stays."""

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from callevents import audit
from callevents.config.oidc import OidcProvider
from callevents.db.models import (
    AuditEntry,
    Grant,
    Passkey,
    PasswordLink,
    Pbx,
    User,
    UserIdentity,
    UserSession,
    utc_now,
)
from callevents.db.session import begin_write
from callevents.enums import Role, UserState
from callevents.errors import ConflictError, InvalidError, SignInError
from callevents.extensions import app_state, db
from callevents.users import invitations, lifecycle, sessions, users
from callevents.users.grants import NewGrant, describe_grant
from callevents.users.sign_in import finish, verify_password
from tests.users.signing_in import PASSWORD, SOMEWHERE, WRONG, sign_in

ROUNDS = 10


def make_viewer(user: User) -> None:
    """Take the role of an admin away."""
    lifecycle.change_roles(user, [NewGrant(Role.VIEWER)])


LOSSES = [lifecycle.disable_user, lifecycle.remove_user, make_viewer]


def count(model: type[User | Grant | PasswordLink | UserSession]) -> int:
    """Return the number of rows."""
    return db.session.scalar(select(func.count()).select_from(model)) or 0


@pytest.fixture
def bob(user: User) -> User:
    """A second admin, named bob, with a session."""
    begin_write()
    bob = users.add_user("bob", PASSWORD, Role.ADMIN)
    db.session.flush()
    bob.token = sessions.start_session(bob, "Firefox", "10.0.0.1")
    db.session.commit()
    return bob


def test_disabled_user_is_signed_out_and_cannot_sign_in(bob: User) -> None:
    """The session ends, and the answer is that of a wrong password; enabling brings no session."""
    begin_write()
    lifecycle.disable_user(bob)
    db.session.commit()
    assert bob.state is UserState.DISABLED
    assert sessions.find_session(bob.token) is None
    assert sign_in("bob") == WRONG
    begin_write()
    lifecycle.enable_user(bob)
    db.session.commit()
    assert bob.state is UserState.ACTIVE
    assert sessions.find_session(bob.token) is None
    assert sign_in("bob") == "bob"


@pytest.mark.parametrize("lose", [*LOSSES[:2], invitations.reset_password])
def test_password_that_was_verified_before_the_change_is_refused(
    bob: User, lose: Callable[[User], object]
) -> None:
    """Who is disabled, removed or reset between the two steps of a sign-in gets no session."""
    attempt = verify_password("bob", PASSWORD, SOMEWHERE)
    assert attempt.is_correct
    begin_write()
    lose(bob)
    db.session.commit()
    begin_write()
    with pytest.raises(SignInError, match=WRONG):
        finish(attempt)
    db.session.commit()


def test_removed_user_leaves_nothing(bob: User) -> None:
    """Sessions, roles and links go with the user; the name is free again."""
    begin_write()
    invitations.reset_password(bob)
    sessions.start_session(bob, "Firefox", "10.0.0.1")
    db.session.commit()
    assert (count(User), count(Grant), count(PasswordLink), count(UserSession)) == (2, 2, 1, 1)
    begin_write()
    lifecycle.remove_user(bob)
    db.session.commit()
    assert (count(User), count(Grant), count(PasswordLink), count(UserSession)) == (1, 1, 0, 0)
    begin_write()
    users.add_user("bob", PASSWORD, Role.VIEWER)
    db.session.commit()


def test_roles_are_replaced(bob: User, pbx: Pbx) -> None:
    """Roles are those given last; rows of the former ones are gone."""
    begin_write()
    new = [NewGrant(Role.OPERATOR, pbx), NewGrant(Role.VIEWER), NewGrant(Role.VIEWER)]
    lifecycle.change_roles(bob, new)
    db.session.commit()
    assert list(map(describe_grant, bob.grants)) == ["operator:head-office", "viewer"]
    assert count(Grant) == 3


@pytest.mark.parametrize("lose", LOSSES)
def test_last_enabled_admin_stays(user: User, pbx: Pbx, lose: Callable[[User], None]) -> None:
    """An admin of one PBX, a disabled one and one who has not used the invitation do not count."""
    begin_write()
    users.add_user("of-one", PASSWORD, NewGrant(Role.ADMIN, pbx))
    users.add_user("viewer", PASSWORD, Role.VIEWER)
    disabled = users.add_user("disabled", PASSWORD, Role.ADMIN)
    lifecycle.disable_user(disabled)
    invited, _ = invitations.invite_user("invited", "", [NewGrant(Role.ADMIN)])
    db.session.commit()
    begin_write()
    with pytest.raises(ConflictError, match="This user is the last enabled admin of all PBXs"):
        lose(user)
    db.session.rollback()
    assert user.is_admin
    assert sign_in() == "ana"
    # The others can go, whatever their roles.
    for other in (invited, disabled):
        begin_write()
        lose(other)
        db.session.commit()


def add_passkey(user: User) -> None:
    """Add a passkey that nobody uses."""
    passkey = Passkey(
        user_id=user.id, name="phone", credential_id="x", public_key=b"", sign_count=0
    )
    db.session.add(passkey)


def add_identity(user: User) -> None:
    """Let a provider that is configured sign the user in."""
    provider = OidcProvider.model_validate(
        {
            "slug": "acme",
            "label": "Acme",
            "issuer": "https://login.example",
            "client_id": "x",
            "grants": {"groups": {"x": ["viewer"]}},
        }
    )
    app_state().settings.oidc_providers = (provider,)
    db.session.add(UserIdentity(user_id=user.id, issuer=provider.issuer, subject="42"))


def add_lost_identity(user: User) -> None:
    """Let a provider that is no longer configured sign the user in."""
    db.session.add(UserIdentity(user_id=user.id, issuer="https://gone.example", subject="42"))


@pytest.mark.parametrize(
    ("add", "counts"),
    [(None, False), (add_passkey, True), (add_identity, True), (add_lost_identity, False)],
)
@pytest.mark.parametrize("lose", LOSSES)
def test_admin_without_a_way_to_sign_in_does_not_count(
    user: User,
    bob: User,
    lose: Callable[[User], None],
    add: Callable[[User], None] | None,
    counts: bool,
) -> None:
    """After a reset bob has no password: only a passkey or a provider makes bob one that counts."""
    begin_write()
    bob.last_sign_in_at = utc_now()
    invitations.reset_password(bob)
    if add:
        add(bob)
    db.session.commit()
    begin_write()
    if counts:
        lose(user)
    else:
        with pytest.raises(ConflictError, match="This user is the last enabled admin"):
            lose(user)
    db.session.rollback()


@pytest.mark.parametrize("lose", LOSSES)
def test_last_admin_stays_after_a_reset(user: User, lose: Callable[[User], None]) -> None:
    """The link of the reset is the last way in."""
    begin_write()
    user.last_sign_in_at = utc_now()
    invitations.reset_password(user)
    with pytest.raises(ConflictError, match="This user is the last enabled admin"):
        lose(user)
    db.session.rollback()


@pytest.mark.parametrize("lose", LOSSES)
def test_passwords_that_are_off_do_not_count(
    user: User, bob: User, lose: Callable[[User], None]
) -> None:
    """Without local passwords only the break-glass user can sign in with one."""
    settings = app_state().settings
    settings.local_passwords, settings.break_glass_user = False, "ana"
    begin_write()
    with pytest.raises(ConflictError, match="This user is the last enabled admin"):
        lose(user)
    db.session.rollback()
    begin_write()
    lose(bob)
    db.session.rollback()


@pytest.mark.parametrize("lose", LOSSES)
def test_two_admins_do_not_lose_it_at_once(
    app: Flask, bob: User, lose: Callable[[User], None]
) -> None:
    """Of two transactions that each take one of two admins away, one is refused."""
    for _ in range(ROUNDS):
        outcomes = run_together(app, lose, ["ana", "bob"])
        assert sorted(outcomes) == ["done", "refused"]
        begin_write()
        for name in ("ana", "bob"):
            found = users.find_user(name) or users.add_user(name, PASSWORD, Role.ADMIN)
            lifecycle.change_roles(found, [NewGrant(Role.ADMIN)])
            lifecycle.enable_user(found)
        db.session.commit()


def run_together(app: Flask, lose: Callable[[User], None], names: list[str]) -> list[str]:
    """Do this to each user in a thread of its own; return the outcomes."""
    start, outcomes = threading.Barrier(len(names)), []

    def run(name: str) -> None:
        with app.app_context():
            start.wait()
            begin_write()
            try:
                lose(users.get_user(name))
                db.session.commit()
                outcomes.append("done")
            except ConflictError:
                db.session.rollback()
                outcomes.append("refused")
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_list_has_states_and_last_sign_ins(bob: User) -> None:
    """All users by name; the last sign-in is stored when one signs in."""
    begin_write()
    invitations.invite_user("carl", "", [NewGrant(Role.VIEWER)])
    db.session.commit()
    listed = users.list_users()
    assert [(one.username, str(one.state)) for one in listed] == [
        ("ana", "active"),
        ("bob", "active"),
        ("carl", "invited"),
    ]
    assert [one.last_sign_in_at is None for one in listed] == [True, False, True]


def test_a_change_is_one_entry_of_the_history(user: User, bob: User) -> None:
    """Address and roles are in it together; what stays the same is none."""
    for _ in range(2):
        begin_write()
        viewer = [NewGrant(Role.VIEWER)]
        lifecycle.change_user(lifecycle.lock_user("BOB"), email=" b@example.com ", roles=viewer)
        db.session.commit()
    query = select(AuditEntry).where(AuditEntry.action == audit.Action.USER_CHANGED)
    [entry] = db.session.scalars(query)
    assert entry.before == {"roles": ["admin"]}
    assert entry.after == {"roles": ["viewer"], "email": "b@example.com"}


def test_a_wrong_address_keeps_the_roles(user: User, bob: User) -> None:
    """If one value is wrong, the other is not stored either."""
    begin_write()
    with pytest.raises(InvalidError, match="Enter an e-mail address"):
        lifecycle.change_user(bob, email="b..b@example.com", roles=[NewGrant(Role.VIEWER)])
    db.session.rollback()
    assert bob.is_admin
