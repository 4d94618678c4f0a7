"""Links of invitations and resets: they work once, for 48 hours, and are stored as a digest."""

import threading
from contextlib import closing
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from callevents.config.settings import Settings
from callevents.db.models import PasswordLink, User, utc_now
from callevents.db.session import begin_write
from callevents.enums import Role, UserState
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import db
from callevents.operations.scheduler import Scheduler
from callevents.users import invitations, lifecycle, password_links, sessions, users
from callevents.users.grants import NewGrant
from callevents.users.hashing import hash_password
from callevents.users.password_links import get_user_of, use_link
from tests.users.signing_in import WRONG, sign_in

NEW = "battery staple"
VIEWER = [NewGrant(Role.VIEWER)]


@pytest.fixture
def invitation(app: Flask) -> str:
    """The token of an invitation for bob."""
    begin_write()
    _, token = invitations.invite_user(" Bob ", "bob@example.com", VIEWER)
    db.session.commit()
    return token


def use(token: str) -> None:
    """Use the link as the page does."""
    begin_write()
    try:
        use_link(token, hash_password(NEW))
    finally:
        db.session.commit()


def is_valid(token: str) -> bool:
    """Return True if the link would work."""
    try:
        return bool(get_user_of(token))
    except NotFoundError:
        return False


def test_invited_user_sets_the_password_once(invitation: str) -> None:
    """Without a password nobody signs in; the link works once, and its token is not stored."""
    assert users.get_user("bob").state is UserState.INVITED
    for password in ("", NEW, "nobody has this password"):
        assert sign_in("bob", password) == WRONG
    stored = db.session.scalars(select(PasswordLink.digest)).all()
    assert len(stored[0]) == 64
    assert invitation not in stored
    assert get_user_of(invitation).username == "bob"
    use(invitation)
    assert users.get_user("bob").state is UserState.ACTIVE
    assert sign_in("bob", NEW) == "bob"
    with pytest.raises(NotFoundError):
        use(invitation)


def test_two_uses_at_once(app: Flask, invitation: str) -> None:
    """One sets the password, the other is refused."""
    start, outcomes = threading.Barrier(2), []

    def run(password: str) -> None:
        with app.app_context():
            hashed = hash_password(password)
            start.wait()
            begin_write()
            try:
                use_link(invitation, hashed)
                db.session.commit()
                outcomes.append(password)
            except NotFoundError:
                outcomes.append("")
            finally:
                db.session.remove()

    passwords = ["the first password", "the second password"]
    threads = [threading.Thread(target=run, args=(one,)) for one in passwords]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = filter(None, outcomes)
    assert sign_in("bob", winner) == "bob"


def test_link_expires(app: Flask, settings: Settings, invitation: str) -> None:
    """After its time it is refused; the cleanup removes its row and no other one."""
    begin_write()
    _, other = invitations.invite_user("carl", "", VIEWER)
    past = utc_now() - timedelta(milliseconds=1)
    is_bob = PasswordLink.user_id == users.get_user("bob").id
    db.session.execute(update(PasswordLink).where(is_bob).values(expires_at=past))
    db.session.commit()
    assert not is_valid(invitation)
    with pytest.raises(NotFoundError):
        use(invitation)
    db.session.rollback()
    with closing(Scheduler(db.engine, settings)) as scheduler:
        scheduler.send_heartbeat()
        scheduler.remove_old()
    assert db.session.query(PasswordLink).count() == 1
    assert password_links.find_expiry(users.get_user("bob")) is None
    assert is_valid(other)


def test_link_is_valid_for_48_hours(invitation: str) -> None:
    """The time is stored with the link."""
    expires_at = password_links.find_expiry(users.get_user("bob"))
    assert expires_at is not None
    assert timedelta(hours=47) < expires_at - utc_now() <= timedelta(hours=48)


def test_reset_ends_password_and_sessions_at_once(user: User) -> None:
    """Then only the new link works, and not the one before."""
    begin_write()
    token = sessions.start_session(user, "Firefox", "10.0.0.1")
    first = invitations.reset_password(user)
    second = invitations.reset_password(user)
    db.session.commit()
    assert sessions.find_session(token) is None
    assert sign_in() == WRONG
    assert (is_valid(first), is_valid(second)) == (False, True)
    use(second)
    assert sign_in(password=NEW) == "ana"


def test_using_a_link_ends_sessions(user: User) -> None:
    """A session that was started meanwhile ends with the new password."""
    begin_write()
    link = invitations.reset_password(user)
    token = sessions.start_session(user, "Firefox", "10.0.0.1")
    db.session.commit()
    use(link)
    assert sessions.find_session(token) is None


def test_disabled_user_has_no_link(user: User, invitation: str) -> None:
    """Disabling withdraws the link, for good; a reset is refused."""
    bob = users.get_user("bob")
    begin_write()
    lifecycle.disable_user(bob)
    db.session.commit()
    assert not is_valid(invitation)
    begin_write()
    with pytest.raises(ConflictError, match="This user is disabled"):
        invitations.reset_password(bob)
    lifecycle.enable_user(bob)
    db.session.commit()
    assert not is_valid(invitation)


@pytest.mark.parametrize(
    "token", ["", "x", "\x00", "é", "x" * 10_000], ids=["empty", "x", "nul", "accent", "long"]
)
def test_unknown_tokens_are_refused(app: Flask, token: str) -> None:
    """Whatever the text, it is only not valid."""
    assert not is_valid(token)


@pytest.mark.parametrize(
    ("username", "email", "field"),
    [
        ("bob", "", "username"),
        ("a/b", "", "username"),
        ("..", "", "username"),
        ("carl", "carl", "email"),
        ("carl", "a@b.example, c@d.example", "email"),
        ("carl", "carl@example.com\nBcc: x@example.com", "email"),
        ("carl", "é@example.com", "email"),
        ("carl", "a..b@example.com", "email"),
        ("carl", ".a@example.com", "email"),
        ("carl", "x" * 250 + "@a.de", "email"),
    ],
)
def test_wrong_invitations(invitation: str, username: str, email: str, field: str) -> None:
    """Names must be free and fit into a URL; an address is one address."""
    begin_write()
    with pytest.raises(InvalidError) as caught:
        invitations.invite_user(username, email, VIEWER)
    assert list(caught.value.errors) == [field]
    db.session.rollback()


def test_invitation_needs_a_role(app: Flask) -> None:
    """Without one nothing is stored."""
    begin_write()
    with pytest.raises(InvalidError, match="Choose at least one role"):
        invitations.invite_user("bob", "", [])
    db.session.rollback()
    assert not users.has_users()
