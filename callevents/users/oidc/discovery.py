"""A provider's metadata: its endpoints and its keys, kept in memory for an hour."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from callevents.config.oidc import OidcProvider, is_safe_url
from callevents.users.oidc.errors import ProviderUnavailableError
from callevents.users.oidc.provider_http import get_json

LIFETIME_SECONDS = 3600.0
#: A provider that did not answer is not asked again for this time.
PAUSE_SECONDS = 5.0
#: Signatures by a key pair. Never `none`, and never with the client's secret as the key.
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


@dataclass(frozen=True)
class Metadata:
    """The endpoints of a provider, and how it signs tokens and knows clients."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    end_session_endpoint: str
    algorithms: Sequence[str]
    auth_methods: Sequence[str]
    keys: KeySet
    loaded_at: float


_cache: dict[str, Metadata] = {}
#: When a provider failed, and why.
_failures: dict[str, tuple[float, str]] = {}


def load_metadata(provider: OidcProvider, *, is_fresh: bool = False) -> Metadata:
    """Return the metadata, loaded again if `is_fresh`; raises ProviderUnavailableError."""
    known = _cache.get(provider.issuer)
    if known and not is_fresh and time.monotonic() - known.loaded_at < LIFETIME_SECONDS:
        return known
    failed_at, reason = _failures.get(provider.issuer, (-PAUSE_SECONDS, ""))
    if time.monotonic() - failed_at < PAUSE_SECONDS:
        raise ProviderUnavailableError(provider, reason)
    try:
        found = _load(provider)
    except (requests.RequestException, ValueError, JoseError) as error:
        _failures[provider.issuer] = (time.monotonic(), str(error))
        raise ProviderUnavailableError(provider, str(error)) from error
    _cache[provider.issuer] = found
    return found


def _load(provider: OidcProvider) -> Metadata:
    values = get_json(f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    if values.get("issuer") != provider.issuer:
        raise ValueError(f"the provider names itself {values.get('issuer')!r}: set that as issuer")
    offered = _texts(values, "id_token_signing_alg_values_supported") or ["RS256"]
    jwks_uri = _url(values, "jwks_uri")
    return Metadata(
        authorization_endpoint=_url(values, "authorization_endpoint"),
        token_endpoint=_url(values, "token_endpoint"),
        jwks_uri=jwks_uri,
        userinfo_endpoint=_url(values, "userinfo_endpoint", is_needed=False),
        end_session_endpoint=_url(values, "end_session_endpoint", is_needed=False),
        algorithms=[name for name in offered if name in ALGORITHMS],
        auth_methods=_texts(values, "token_endpoint_auth_methods_supported"),
        keys=KeySet.import_key_set(get_json(jwks_uri)),  # type: ignore[arg-type]  # it checks the values
        loaded_at=time.monotonic(),
    )


def _url(values: dict[str, Any], name: str, *, is_needed: bool = True) -> str:
    """Return a URL of the metadata, empty if there is none; raises ValueError."""
    url = values.get(name) or ""
    if not url and not is_needed:
        return ""
    if not isinstance(url, str) or not is_safe_url(url):
        raise ValueError(f"the provider's {name} is no https:// URL")
    return url


def _texts(values: dict[str, Any], name: str) -> list[str]:
    found = values.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
