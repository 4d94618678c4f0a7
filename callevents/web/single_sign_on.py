"""The browser's part of single sign-on: the flow in its cookie, our addresses, the sign-out."""

import time

from flask import abort, url_for
from flask import session as cookie

from callevents.config.oidc import OidcProvider
from callevents.errors import BusyError, SignInError
from callevents.extensions import app_state, cipher
from callevents.security.encryption import UnreadableError
from callevents.users.oidc.begun import Flow
from callevents.web import login
from callevents.web.public_url import find_own_origin

#: Session key: the provider, the time, and the flow that has begun.
KEY = "sso"
LIFETIME_SECONDS = 600
UNKNOWN_ADDRESS = (
    "Single sign-on needs the public address of this server. Set CALLEVENTS_PUBLIC_URL."
)


def get_provider(slug: str) -> OidcProvider:
    """Return the provider with that slug; aborts with 404."""
    found = find_provider(slug)
    return found or abort(404)


def find_provider(slug: str) -> OidcProvider | None:
    """Return the provider with that slug, None if it is not configured."""
    providers = app_state().settings.oidc_providers
    return next((one for one in providers if one.slug == slug), None)


def redirect_uri(provider: OidcProvider) -> str:
    """Return our URL that the provider sends browsers back to; raises SignInError."""
    return _own_url(url_for("single_sign_on.finish", provider=provider.slug))


def remember(provider: OidcProvider, flow: Flow) -> None:
    """Keep the flow in the browser's cookie, in place of a former one."""
    cookie[KEY] = [provider.slug, int(time.time()), flow.state, flow.nonce, flow.verifier]


def take_flow(provider: OidcProvider) -> Flow | None:
    """Return the flow that this browser has begun with the provider, and forget it."""
    slug, begun_at, *flow = cookie.pop(KEY, None) or ("", 0)
    is_fresh = 0 <= time.time() - begun_at < LIFETIME_SECONDS
    return Flow(*flow) if slug == provider.slug and is_fresh else None


def find_sign_out() -> tuple[OidcProvider, str] | None:
    """Return the provider of the session that has ended, and the URL of its sign-out or ''."""
    slug, token = login.find_provider_session()
    provider = find_provider(slug) if slug else None
    if provider is None:
        return None
    # Others need none of its packages.
    from callevents.users.oidc.sign_out import find_end_url  # noqa: PLC0415

    try:
        return_url = _own_url(url_for("account.show_sign_in"))
        return provider, find_end_url(provider, _decrypt(token), return_url)
    except (SignInError, BusyError):
        return provider, ""


def _own_url(path: str) -> str:
    origin = app_state().settings.public_url or find_own_origin()
    if origin is None:
        raise SignInError(UNKNOWN_ADDRESS)
    return origin + path


def _decrypt(token: str) -> str:
    try:
        return cipher.bound.decrypt(token) if token else ""
    except UnreadableError:
        return ""
