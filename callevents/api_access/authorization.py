"""Requests of apps for a user's consent (RFC 6749, section 4.1.1), read from their parameters."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from callevents.api_access.apps import find_app
from callevents.api_access.client_check import check_usable
from callevents.api_access.oauth_error import OAuthError, OAuthErrorCode
from callevents.api_access.scopes import ApiScope, join_scopes, split_scopes
from callevents.db.models import OAuthApp
from callevents.errors import InvalidError

#: The values of each parameter, which must not be repeated.
Parameters = Mapping[str, Sequence[str]]

#: A request is kept in the browser's cookie, which is limited to 4 KB, while the user signs in.
MAX_LENGTH = 3000
#: BASE64URL(SHA256(code_verifier)), RFC 7636, section 4.2.
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Target:
    """Where the answer to a request goes."""

    app: OAuthApp
    redirect_uri: str
    state: str

    @property
    def host(self) -> str:
        """The host, and the port if it is not the usual one."""
        return urlsplit(self.redirect_uri).netloc

    def url(self, **answer: str) -> str:
        """Return the redirect URI with the answer and the state."""
        state = {"state": self.state} if self.state else {}
        mark = "&" if "?" in self.redirect_uri else "?"
        return f"{self.redirect_uri}{mark}{urlencode(answer | state)}"

    def url_of(self, error: OAuthError) -> str:
        """Return the redirect URI with the error."""
        return self.url(error=error.code, error_description=str(error))


@dataclass(frozen=True)
class AuthorizationRequest:
    """What an app asks for."""

    target: Target
    scopes: frozenset[ApiScope]
    #: Of PKCE with S256; empty: not used.
    code_challenge: str = ""

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the same request."""
        found = {
            "response_type": "code",
            "client_id": self.target.app.id,
            "redirect_uri": self.target.redirect_uri,
            "state": self.target.state,
            "scope": join_scopes(self.scopes),
        }
        if self.code_challenge:
            found |= {"code_challenge": self.code_challenge, "code_challenge_method": "S256"}
        return found


def find_target(parameters: Parameters) -> Target:
    """Return where to answer; raises InvalidError, which must not be answered with a redirect."""
    app = find_app(_single(parameters, "client_id"))
    if app is None:
        raise InvalidError.of(
            "client_id", "The app that sent you here is not known. Ask its provider or an admin."
        )
    redirect_uri = _single(parameters, "redirect_uri")
    if redirect_uri not in app.redirect_uris:
        raise InvalidError.of(
            "redirect_uri",
            f"The app {app.name} wants to take you to an address that is not registered for it. "
            "Ask an admin to add the app's redirect URI.",
        )
    return Target(app, redirect_uri, _single(parameters, "state"))


def read_request(target: Target, parameters: Parameters) -> AuthorizationRequest:
    """Return the request; raises OAuthError, which the app gets."""
    for name in ("response_type", "state", "scope", "code_challenge", "code_challenge_method"):
        if len(parameters.get(name, ())) > 1:
            raise _invalid(f"The parameter {name} is given twice.")
    _check_type(_single(parameters, "response_type"))
    if not target.state:
        raise _invalid("The parameter state is missing.")
    if len(urlencode(parameters, doseq=True)) > MAX_LENGTH:
        raise _invalid(f"The parameters are longer than {MAX_LENGTH} characters.")
    check_usable(target.app)
    scopes = narrow(split_scopes(target.app.scopes), _single(parameters, "scope"))
    return AuthorizationRequest(target, scopes, _read_challenge(parameters))


def narrow(allowed: frozenset[ApiScope], wanted: str) -> frozenset[ApiScope]:
    """Return the wanted scopes, all if none is named; raises OAuthError for one not allowed."""
    names = set(wanted.split())
    if not names <= allowed:
        raise OAuthError(
            OAuthErrorCode.INVALID_SCOPE, f"Possible scopes are: {join_scopes(allowed)}."
        )
    return frozenset(scope for scope in allowed if scope in names) or allowed


def _check_type(response_type: str) -> None:
    if not response_type:
        raise _invalid("The parameter response_type is missing.")
    if response_type != "code":
        raise OAuthError(
            OAuthErrorCode.UNSUPPORTED_RESPONSE_TYPE, "The response_type must be code."
        )


def _read_challenge(parameters: Parameters) -> str:
    challenge = _single(parameters, "code_challenge")
    method = _single(parameters, "code_challenge_method")
    # Without a method it would be plain, by which a stolen request reveals the verifier.
    if (challenge or method) and method != "S256":
        raise _invalid("The code_challenge_method must be S256.")
    if method and not _S256_CHALLENGE.fullmatch(challenge):
        raise _invalid("The code_challenge must be the Base64url of a SHA-256: 43 characters.")
    return challenge


def _single(parameters: Parameters, name: str) -> str:
    """Return the parameter's value; empty if it is missing, or given several times."""
    values = parameters.get(name, ())
    return values[0] if len(values) == 1 else ""


def _invalid(sentence: str) -> OAuthError:
    return OAuthError(OAuthErrorCode.INVALID_REQUEST, sentence)
