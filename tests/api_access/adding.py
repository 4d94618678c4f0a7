"""Users, tokens and consents, each added in a transaction of its own."""

from datetime import datetime, timedelta
from typing import Any

from callevents.api_access import api_tokens, apps
from callevents.db.models import ApiToken, OAuthApp, OAuthGrant, Pbx, User, new_id, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.users import users
from callevents.users.grants import parse_grant

PASSWORD = "long enough for a test"


def add_user(name: str, *roles: str) -> User:
    """Add a user with these roles."""
    begin_write()
    user = users.add_user(name, PASSWORD, *map(parse_grant, roles))
    db.session.commit()
    return user


def add_token(
    user: User,
    name: str = "Export",
    *scopes: str,
    pbx: Pbx | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Add an API token; return it and its text."""
    begin_write()
    added = api_tokens.add_api_token(
        user, name, scopes or ("hooks:read",), pbx=pbx, expires_at=expires_at
    )
    db.session.commit()
    return added


def add_app(user: User, name: str = "CRM", **options: Any) -> OAuthApp:
    """Add an app."""
    begin_write()
    app, _ = apps.add_app(user, name, **options)
    db.session.commit()
    return app


def allow(
    user: User, app: OAuthApp, scopes: str = "uapi", *, is_used: bool = True, **values: Any
) -> OAuthGrant:
    """Let the user allow the app; `is_used`: it has exchanged the code for a token."""
    begin_write()
    now = utc_now()
    grant = OAuthGrant(
        app_id=app.id,
        user_id=user.id,
        scopes=scopes,
        code_digest=new_id(),
        code_expires_at=now + timedelta(minutes=10),
        code_used_at=now if is_used else None,
        redirect_uri="https://crm.example.com/",
        **values,
    )
    db.session.add(grant)
    db.session.commit()
    return grant
