"""Which second factor a user has and needs, and verifying a code of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, or_, select

from callevents import audit
from callevents.audit.targets import of_user
from callevents.db.models import AppKey, Passkey, User
from callevents.errors import SignInError
from callevents.extensions import app_state, db
from callevents.users import delays
from callevents.users.delays import Client
from callevents.users.second_factor import app_codes, recovery_codes
from callevents.users.second_factor.history import record_change

WRONG_CODE = "Wrong code, or one that was used before."


@dataclass(frozen=True)
class SecondFactor:
    """What a user can sign in with beside the password."""

    app_key: AppKey | None
    passkeys: Sequence[Passkey]
    codes_left: int

    def __bool__(self) -> bool:
        return bool(self.app_key or self.passkeys)


def find(user: User) -> SecondFactor:
    """Return the user's second factor; it is false if there is none."""
    passkeys = select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.created_at)
    return SecondFactor(
        app_codes.find_key(user), db.session.scalars(passkeys).all(), recovery_codes.count(user)
    )


def has_any(user: User) -> bool:
    """Return True if the password alone does not sign the user in."""
    has_key = exists().where(AppKey.user_id == user.id)
    has_passkey = exists().where(Passkey.user_id == user.id)
    return bool(db.session.scalar(select(or_(has_key, has_passkey))))


def is_missing(user: User) -> bool:
    """Return True if a role of the user requires a second factor and there is none."""
    required = app_state().settings.second_factor_roles
    return any(grant.role in required for grant in user.grants) and not has_any(user)


def verify_code(user: User, code: str, client: Client) -> None:
    """Accept a code of the app or a recovery code, else count a failure and raise SignInError.

    Raises TooManyAttemptsError while codes are blocked. The caller commits even then, so that a
    failure counts.
    """
    keys = delays.find_code_keys(user.username, client)
    delays.check_not_blocked(keys)
    code = "".join(code.split())
    # Recovery codes also help if the key of the app can no longer be decrypted.
    if not (recovery_codes.accept(user, code) or app_codes.accept(user, code)):
        delays.count_failure(keys)
        # Not limited: before it, the password was right.
        audit.record(audit.Action.SIGN_IN_FAILED, of_user(user), after={"with": "code"})
        raise SignInError(WRONG_CODE)
    delays.forgive(keys)


def turn_off_app(user: User) -> None:
    """Forget the user's app; recovery codes too, if nothing is left that they stand in for."""
    record_change(user, "app turned off")
    app_codes.remove(user)
    remove_unneeded_codes(user)


def remove_unneeded_codes(user: User) -> None:
    """Remove the recovery codes of a user without a second factor."""
    if not has_any(user):
        recovery_codes.remove(user)


def reset(user: User) -> None:
    """Remove the app, the recovery codes and the passkeys: the password is enough again."""
    record_change(user, "reset")
    app_codes.remove(user)
    recovery_codes.remove(user)
    db.session.execute(delete(Passkey).where(Passkey.user_id == user.id))
