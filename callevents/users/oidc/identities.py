"""Users of single sign-on: found by the provider's ID of them, never by name or e-mail address."""

from collections.abc import Sequence

from sqlalchemy import select

from callevents.config.oidc import OidcProvider
from callevents.db.models import User, UserIdentity
from callevents.enums import Role
from callevents.errors import ConflictError
from callevents.extensions import app_state, db
from callevents.users import sessions
from callevents.users.challenges import spend
from callevents.users.oidc.begun import Flow
from callevents.users.oidc.claims import find_username, grants_of
from callevents.users.oidc.errors import NoGrantError, ProviderRefusedError
from callevents.users.oidc.flow import Identity
from callevents.users.users import MAX_USERNAME_LENGTH, find_user

MAX_NAMESAKES = 1000


def sign_in(provider: OidcProvider, flow: Flow, identity: Identity) -> User:
    """Return the identity's user, added at the first sign-in, with the grants of its claims.

    Raises NoGrantError if there are none: then the user's sessions have ended. Raises
    ProviderRefusedError if the flow has signed somebody in before. The caller commits even then.
    """
    if not spend(flow.state.encode()):
        raise ProviderRefusedError(provider, "the flow was finished before")
    user = _find(provider, identity)
    grants = grants_of(provider, identity.claims)
    if not grants:
        if user:
            sessions.end_sessions(user)
        raise NoGrantError(provider)
    user = user or _add(provider, identity, grants)
    apply_grants(user, grants)
    return user


def apply_grants(user: User, grants: Sequence[tuple[Role, str | None]]) -> None:
    """Give the user these grants instead of the former ones."""
    # Roles are for all PBXs as yet: the highest one counts.
    user.role = min((role for role, _ in grants), key=list(Role).index)


def _find(provider: OidcProvider, identity: Identity) -> User | None:
    found: User | None = db.session.scalar(
        select(User)
        .join(UserIdentity)
        .where(UserIdentity.issuer == provider.issuer, UserIdentity.subject == identity.subject)
    )
    return found


def _add(
    provider: OidcProvider, identity: Identity, grants: Sequence[tuple[Role, str | None]]
) -> User:
    user = User(username=_find_free_name(find_username(identity.claims)), password_hash="")
    apply_grants(user, grants)
    db.session.add(user)
    db.session.flush()
    db.session.add(UserIdentity(user_id=user.id, issuer=provider.issuer, subject=identity.subject))
    db.session.flush()
    return user


def _find_free_name(name: str) -> str:
    """Return the name, with a number if somebody has it: it need not be the same person."""
    reserved = app_state().settings.break_glass_user
    for number in range(1, MAX_NAMESAKES):
        suffix = "" if number == 1 else f"-{number}"
        found = name[: MAX_USERNAME_LENGTH - len(suffix)] + suffix
        if found != reserved and find_user(found) is None:
            return found
    raise ConflictError(f"Too many users are named {name!r}.")
