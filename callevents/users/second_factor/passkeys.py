"""The passkeys of users: list, add, find, use, remove.

The ceremonies of WebAuthn are in ceremonies.py, whose packages most processes never need.
"""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import delete, select, update

from callevents.db.models import Passkey, User, utc_now
from callevents.errors import InvalidError, NotFoundError, SignInError
from callevents.extensions import db
from callevents.users.challenges import spend
from callevents.users.local_accounts import is_allowed
from callevents.users.second_factor.history import record_change
from callevents.validation import check_name

MAX_PASSKEYS = 20
REFUSED = "The passkey was not accepted. Try again, or sign in with your password."


@dataclass(frozen=True)
class RelyingParty:
    """What passkeys are bound to: the host name, and the origin that pages are loaded from."""

    id: str
    origin: str


def get_passkey(user: User, passkey_id: str) -> Passkey:
    """Return a passkey of the user; raises NotFoundError."""
    found: Passkey | None = db.session.scalar(
        select(Passkey).where(Passkey.user_id == user.id, Passkey.id == passkey_id)
    )
    if found is None:
        raise NotFoundError("This passkey does not exist any more.")
    return found


def find_by_credential(credential_id: str) -> Passkey | None:
    """Return the passkey with this ID of its authenticator."""
    found: Passkey | None = db.session.scalar(
        select(Passkey).where(Passkey.credential_id == credential_id)
    )
    return found


def user_handle(user: User) -> bytes:
    """Return what authenticators keep in place of the username: it reveals nothing about the user.

    An ID alone may be given again after its user was removed.
    """
    return sha256(f"user {user.id} of {user.created_at.isoformat()}".encode()).digest()


def check_new(user: User, name: str) -> str:
    """Return the name of a new passkey; raises InvalidError about `name`."""
    name = check_name(name)
    names = db.session.scalars(select(Passkey.name).where(Passkey.user_id == user.id)).all()
    if name in names:
        raise InvalidError.of("name", f"You have a passkey named {name!r} already.")
    if len(names) >= MAX_PASSKEYS:
        raise InvalidError.of("name", f"A user can have at most {MAX_PASSKEYS} passkeys.")
    return name


def add(user: User, passkey: Passkey, challenge: bytes) -> None:
    """Store a new passkey that answers the challenge; raises InvalidError about `name`."""
    check_new(user, passkey.name)
    if not spend(challenge) or find_by_credential(passkey.credential_id):
        raise InvalidError.of("name", "This passkey was added before.")
    db.session.add(passkey)
    record_change(user, f"passkey {passkey.name} added")
    db.session.flush()


def use(passkey_id: str, challenge: bytes, sign_count: int) -> User:
    """Note that the passkey answered the challenge and return its user.

    Raises SignInError if the challenge was answered before, the passkey was removed or used
    elsewhere meanwhile, or the user has to use single sign-on.
    """
    found = db.session.scalar(
        update(Passkey)
        .where(Passkey.id == passkey_id, Passkey.sign_count <= sign_count)
        .values(sign_count=sign_count, used_at=utc_now())
        .returning(Passkey.user_id)
    )
    user = db.session.get(User, found) if found is not None and spend(challenge) else None
    if user is None or not is_allowed(user):
        raise SignInError(REFUSED)
    return user


def remove(user: User, passkey_id: str) -> None:
    """Remove a passkey of the user; does nothing if it is gone already."""
    removed = delete(Passkey).where(Passkey.user_id == user.id, Passkey.id == passkey_id)
    if name := db.session.scalar(removed.returning(Passkey.name)):
        record_change(user, f"passkey {name} removed")
