"""The code flow with PKCE: the URL to send the browser to, and what its return proves."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError

from callevents.config.oidc import OidcProvider
from callevents.users.oidc.begun import Flow
from callevents.users.oidc.discovery import Metadata, load_metadata
from callevents.users.oidc.errors import ProviderRefusedError, ProviderUnavailableError
from callevents.users.oidc.provider_http import TIMEOUT_SECONDS, get_json, one_of_few

#: Clocks may differ by this.
LEEWAY_SECONDS = 60
MAX_SUBJECT_LENGTH = 255


@dataclass(frozen=True)
class Identity:
    """Whom the provider signed in."""

    subject: str
    claims: Mapping[str, Any]
    id_token: str


def begin(provider: OidcProvider, redirect_uri: str) -> tuple[str, Flow]:
    """Return the provider's URL for the browser, and the flow.

    Raises ProviderUnavailableError, and BusyError while too many wait for a provider.
    """
    with one_of_few():
        metadata = load_metadata(provider)
    flow = Flow(*(secrets.token_urlsafe(48) for _ in range(3)))
    with _session(provider, metadata, redirect_uri) as session:
        url, _ = session.create_authorization_url(
            metadata.authorization_endpoint,
            state=flow.state,
            nonce=flow.nonce,
            code_verifier=flow.verifier,
        )
    return str(url), flow


def finish(
    provider: OidcProvider, flow: Flow, redirect_uri: str, query: Mapping[str, str]
) -> Identity:
    """Return the identity that the provider signed in, from the query of the browser's return.

    Raises ProviderUnavailableError or ProviderRefusedError, and BusyError while too many wait for a
    provider.
    """
    if not secrets.compare_digest(query.get("state", "").encode(), flow.state.encode()):
        raise ProviderRefusedError(provider, "the state is not the browser's")
    if query.get("iss", provider.issuer) != provider.issuer:
        raise ProviderRefusedError(provider, "the answer is of another provider")
    if "error" in query or "code" not in query:
        raise ProviderRefusedError(provider, f"the provider returned {query.get('error')!r}")
    try:
        with one_of_few():
            return _exchange(provider, flow, redirect_uri, query["code"])
    except requests.RequestException as error:
        raise ProviderUnavailableError(provider, str(error)) from error
    except (AuthlibBaseError, JoseError, ValueError, TypeError, KeyError) as error:
        raise ProviderRefusedError(provider, repr(error)) from error


def _exchange(provider: OidcProvider, flow: Flow, redirect_uri: str, code: str) -> Identity:
    """Exchange the code for tokens, and return the identity that they prove."""
    metadata = load_metadata(provider)
    token = _fetch_token(provider, metadata, flow, redirect_uri, code)
    claims = _verify(provider, metadata, token, flow.nonce)
    claims |= _load_missing(provider, metadata, token, claims)
    return Identity(claims["sub"], claims, token["id_token"])


def _fetch_token(
    provider: OidcProvider, metadata: Metadata, flow: Flow, redirect_uri: str, code: str
) -> dict[str, Any]:
    with _session(provider, metadata, redirect_uri) as session:
        found = session.fetch_token(
            metadata.token_endpoint,
            grant_type="authorization_code",
            code=code,
            code_verifier=flow.verifier,
            redirect_uri=redirect_uri,
            allow_redirects=False,
        )
    if not isinstance(found.get("id_token"), str):
        raise TypeError("the provider returned no id_token")
    return dict(found)


def _verify(
    provider: OidcProvider, metadata: Metadata, token: Mapping[str, Any], nonce: str
) -> dict[str, Any]:
    """Return the claims of the ID token; raises JoseError or ValueError if they prove nothing."""
    try:
        decoded = jwt.decode(token["id_token"], metadata.keys, algorithms=metadata.algorithms)
    except (InvalidKeyIdError, BadSignatureError):
        # The provider may have new keys, even with the same names.
        keys = load_metadata(provider, is_fresh=True).keys
        decoded = jwt.decode(token["id_token"], keys, algorithms=metadata.algorithms)
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
            "sub": {"essential": True},
        },
        {
            "nonce": nonce,
            "client_id": provider.client_id,
            "access_token": token.get("access_token"),
        },
    )
    claims.validate(leeway=LEEWAY_SECONDS)
    _check_subject(claims["sub"])
    return dict(claims)


def _load_missing(
    provider: OidcProvider,
    metadata: Metadata,
    token: Mapping[str, Any],
    claims: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the claims of the user info, if a claim that grants depend on is not in the token."""
    has_all = all(name.partition(".")[0] in claims for name in provider.grants)
    if has_all or not metadata.userinfo_endpoint or not token.get("access_token"):
        return {}
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    found = get_json(metadata.userinfo_endpoint, headers)
    if found.get("sub") != claims["sub"]:
        raise ValueError("the user info is of another user")
    # What the token says is signed.
    return {name: value for name, value in found.items() if name not in claims}


def _check_subject(subject: object) -> None:
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_LENGTH:
        raise ValueError("the subject is no text of up to 255 characters")
    if not subject.isprintable():
        raise ValueError("the subject has characters that cannot be stored")


def _session(provider: OidcProvider, metadata: Metadata, redirect_uri: str) -> OAuth2Session:
    """Return authlib's client: a session of requests."""
    return OAuth2Session(
        client_id=provider.client_id,
        client_secret=provider.client_secret or None,
        token_endpoint_auth_method=_auth_method(provider, metadata),
        scope=provider.scopes,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        default_timeout=TIMEOUT_SECONDS,
    )


def _auth_method(provider: OidcProvider, metadata: Metadata) -> str:
    if not provider.client_secret:
        return "none"
    methods = metadata.auth_methods or ["client_secret_basic"]
    return "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
