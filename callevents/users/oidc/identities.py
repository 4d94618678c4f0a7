"""Users of single sign-on: found by the provider's ID of them, never by name or e-mail address."""

from collections.abc import Sequence

import structlog
from sqlalchemy import select

from callevents import audit
from callevents.audit.targets import of_user
from callevents.config.oidc import OidcProvider
from callevents.db.models import User, UserIdentity
from callevents.enums import Role
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import app_state, db
from callevents.users import sessions
from callevents.users.challenges import spend
from callevents.users.grants import (
    NewGrant,
    describe_grants,
    find_grant,
    remove_grants,
    set_grants,
)
from callevents.users.last_admin import is_last_admin
from callevents.users.oidc.begun import Flow
from callevents.users.oidc.claims import find_username, grants_of
from callevents.users.oidc.errors import NoGrantError, ProviderRefusedError
from callevents.users.oidc.flow import Identity
from callevents.users.users import MAX_USERNAME_LENGTH, find_user

MAX_NAMESAKES = 1000
#: What the history says when the last admin keeps the role.
KEPT = "admin: the provider no longer gives it, but no other admin could sign in"

log = structlog.get_logger("callevents.users")


def sign_in(provider: OidcProvider, flow: Flow, identity: Identity) -> User:
    """Return the identity's user, added at the first sign-in, with the grants of its claims.

    The last admin keeps that role, whatever the claims say. Raises NoGrantError if they give none:
    then the user's sessions have ended and the grants are gone. Raises ProviderRefusedError if the
    flow has signed somebody in before. The caller commits even then.
    """
    if not spend(flow.state.encode()):
        raise ProviderRefusedError(provider, "the flow was finished before")
    user = _find(provider, identity)
    grants = _find_grants(provider, identity)
    if not grants:
        if user:
            sessions.end_sessions(user)
            _set_grants(user, [])
        raise NoGrantError(provider)
    if user is None:
        return _add(provider, identity, grants)
    if user.disabled_at is not None:
        raise NoGrantError(provider)
    _set_grants(user, grants)
    return user


def _set_grants(user: User, grants: list[NewGrant]) -> None:
    """Replace the user's grants if they differ. The last admin stays one, which is recorded."""
    admin = NewGrant(Role.ADMIN)
    kept = user.is_admin and admin not in grants and is_last_admin(user)
    if kept:
        grants = [admin, *grants]
        log.warning("the last admin keeps the role that the provider took", user=user.username)
    before = {"roles": describe_grants(user)}
    has = {NewGrant(one.role, one.pbx, one.extension) for one in user.grants}
    if has != set(grants):
        if grants:
            set_grants(user, grants)
        else:
            remove_grants(user)
    after = {"roles": describe_grants(user)} | ({"kept_role": KEPT} if kept else {})
    audit.record_change(audit.Action.USER_CHANGED, of_user(user), before, after)


def _find_grants(provider: OidcProvider, identity: Identity) -> list[NewGrant]:
    """Return the grants of the claims, without those for what is not there."""
    found = []
    for role, scope in grants_of(provider, identity.claims):
        slug, _, number = (scope or "").partition(":")
        try:
            found.append(find_grant(role, slug, number))
        except InvalidError as error:
            log.warning("a provider's grant is for nothing here", role=role, error=str(error))
    return found


def _find(provider: OidcProvider, identity: Identity) -> User | None:
    found: User | None = db.session.scalar(
        select(User)
        .join(UserIdentity)
        .where(UserIdentity.issuer == provider.issuer, UserIdentity.subject == identity.subject)
    )
    return found


def _add(provider: OidcProvider, identity: Identity, grants: Sequence[NewGrant]) -> User:
    user = User(username=_find_free_name(find_username(identity.claims)), password_hash="")
    db.session.add(user)
    set_grants(user, grants)
    after = {"roles": describe_grants(user), "provider": provider.slug}
    audit.record(audit.Action.USER_ADDED, of_user(user), after=after)
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
