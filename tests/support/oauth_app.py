"""An OAuth 2.0 app, what it sends, and what the API finds for its tokens."""

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from callevents.api_access import app_tokens, apps
from callevents.api_access.app_tokens import Issued, issue_to_owner
from callevents.api_access.scopes import ApiScope, split_scopes
from callevents.db.models import OAuthApp, Pbx, User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import users

PASSWORD = "long enough for a test"
BACK = "https://crm.example.com/back?tenant=7"
VERIFIER = secrets.token_urlsafe(32)
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BOTH = (ApiScope.UAPI, ApiScope.HOOKS_READ)


@dataclass(frozen=True)
class AppKey:
    """The ID and the secret of an app."""

    id: str
    secret: str

    @property
    def fields(self) -> dict[str, str]:
        """The fields that say who asks for a token."""
        return {"client_id": self.id, "client_secret": self.secret}

    def asks(self, **more: str) -> dict[str, str]:
        """Return the parameters of a request for consent; an empty one is left out."""
        found = {"response_type": "code", "client_id": self.id, "redirect_uri": BACK}
        return {name: value for name, value in (found | {"state": "s-1"} | more).items() if value}

    def load(self) -> OAuthApp:
        """Return the app as stored now."""
        return db.session.get_one(OAuthApp, self.id, populate_existing=True)


def add_user(username: str, role: Role = Role.VIEWER) -> User:
    """Add a user with a role for all PBXs."""
    begin_write()
    user = users.add_user(username, PASSWORD, role)
    db.session.commit()
    return user


def add_app(
    owner: str,
    name: str = "CRM",
    *,
    pbx: Pbx | None = None,
    scopes: tuple[ApiScope, ...] = BOTH,
    back: str = BACK,
) -> AppKey:
    """Add an app of the user with that name."""
    begin_write()
    app, secret = apps.add_app(
        users.get_user(owner), name, pbx=pbx, scopes=scopes, redirect_uris=[back]
    )
    db.session.commit()
    return AppKey(app.id, secret)


def issue_own(key: AppKey) -> Issued:
    """Issue an access token with which the app acts for its owner."""
    begin_write()
    app = key.load()
    issued = issue_to_owner(app, split_scopes(app.scopes))
    db.session.commit()
    return issued


def scopes_of(token: str) -> str | None:
    """Return the stored scopes of an access token, None if it is not valid."""
    db.session.rollback()
    found = app_tokens.find_access_token(token)
    return found.scopes if found else None
