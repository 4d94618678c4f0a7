"""A provider of OpenID Connect on loopback, made of authlib's server parts.

It checks redirect URIs, client secrets and PKCE, and its codes work once. What it signs can be
changed, to see what an attacker would get.
"""

# ruff: noqa: ARG002  # authlib's signatures

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import requests
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from flask import Blueprint, Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, CLIENT_SECRET = "call-events", "the provider's secret"
DISCOVERY = "/.well-known/openid-configuration"
Claims = dict[str, Any]
#: How long closing takes.
POLL_SECONDS = 0.02


@cache
def make_key(name: str) -> RSAKey:
    """Return a key pair, the same for the same name: making one takes a while."""
    return RSAKey.generate_key(2048, {"kid": name})


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection: browsers open some that they do not use."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log no requests."""


class _Client(ClientMixin):  # type: ignore[misc]  # authlib has no types
    """The one client that is registered."""

    def __init__(self, redirect_uris: list[str]) -> None:
        self.redirect_uris = redirect_uris
        self.id_token_signed_response_alg = "RS256"

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class _Code(AuthorizationCodeMixin):  # type: ignore[misc]  # authlib has no types
    code: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    user: Claims

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> None:
        return None

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class Provider:
    """The provider. `user` is signed in there; its claims are in the tokens."""

    redirect_uris: list[str] = field(default_factory=list)
    user: Claims = field(default_factory=lambda: {"sub": "42", "preferred_username": "olga"})
    #: Claims that only the user info has.
    user_info: Claims = field(default_factory=dict)
    #: Makes the ID token of header and claims; the default signs them.
    sign: Callable[[Claims, Claims], str] | None = None
    #: Changes the provider's metadata.
    metadata: Claims = field(default_factory=dict)
    #: The end of the flow, instead of a code.
    error: str = ""
    key: RSAKey = field(default_factory=lambda: make_key("first"))

    def __post_init__(self) -> None:
        """Start the server."""
        self.codes: dict[str, _Code] = {}
        # A port may be used again, and metadata is kept by issuer.
        self._path = f"/{secrets.token_hex(8)}"
        self._server = make_server("127.0.0.1", 0, self._make_app(), _Server, _QuietHandler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}{self._path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[POLL_SECONDS])
        self._thread.start()

    def close(self) -> None:
        """Stop the server, as a provider that is down."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def visit(self, url: str) -> str:
        """Open our redirect as the signed-in user's browser; return where it is sent back to."""
        answer = requests.get(url, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def encode(self, header: Claims, claims: Claims, key: Any = None) -> str:
        """Return a signed token."""
        return jwt.encode(header, claims, key or self.key, algorithms=[header["alg"]])

    def _make_app(self) -> Flask:
        app = Flask("provider")
        server = AuthorizationServer(app, query_client=self._find_client, save_token=_keep_no_token)
        server.register_grant(_grant(self), [_Tokens(self), CodeChallenge(required=True)])
        routes = Blueprint("provider", __name__, url_prefix=self._path)
        routes.add_url_rule(DISCOVERY, view_func=self._describe)
        routes.add_url_rule(
            f"/moved{DISCOVERY}", view_func=lambda: redirect(self._path + DISCOVERY)
        )
        routes.add_url_rule("/keys", view_func=self._show_keys)
        routes.add_url_rule("/userinfo", view_func=self._show_user_info)
        token = server.create_token_response
        routes.add_url_rule("/token", "token", token, methods=["POST"])

        @routes.get("/authorize")
        def authorize() -> Response:
            if self.error:
                back = f"{request.args['redirect_uri']}?error={self.error}"
                return redirect(f"{back}&state={request.args['state']}")  # type: ignore[return-value]
            grant = server.get_consent_grant(end_user=self.user)
            answer: Response = server.create_authorization_response(
                grant_user=self.user, grant=grant
            )
            return answer

        app.register_blueprint(routes)
        return app

    def _find_client(self, client_id: str) -> _Client | None:
        return _Client(self.redirect_uris) if client_id == CLIENT_ID else None

    def _describe(self) -> Response:
        values = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        return jsonify(values | self.metadata)

    def _show_keys(self) -> Response:
        return jsonify(KeySet([self.key]).as_dict(private=False))

    def _show_user_info(self) -> Response:
        return jsonify({"sub": self.user["sub"]} | self.user_info)


def _keep_no_token(_token: Claims, _request: Any) -> None:
    """Do nothing: nobody uses the access token again."""


def _grant(provider: Provider) -> type[AuthorizationCodeGrant]:
    class Grant(AuthorizationCodeGrant):  # type: ignore[misc]  # authlib has no types
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

        def save_authorization_code(self, code: str, request: Any) -> None:
            data = request.payload.data
            provider.codes[code] = _Code(
                code,
                request.payload.redirect_uri,
                request.payload.scope,
                data.get("nonce"),
                data.get("code_challenge"),
                data.get("code_challenge_method"),
                dict(provider.user),
            )

        def query_authorization_code(self, code: str, client: _Client) -> _Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: _Code) -> None:
            del provider.codes[authorization_code.code]

        def authenticate_user(self, authorization_code: _Code) -> Claims:
            return authorization_code.user

    return Grant


class _Tokens(OpenIDCode):  # type: ignore[misc]  # authlib has no types
    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=True)
        self._provider = provider

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return False

    def resolve_client_private_key(self, client: _Client) -> Any:
        return self._provider.key

    def get_client_claims(self, client: _Client) -> Claims:
        return {"iss": self._provider.issuer}

    def generate_user_info(self, user: Claims, scope: str) -> Claims:
        return dict(user)

    def encode_id_token(self, token: Mapping[str, Any], request: Any) -> str:
        signed = super().encode_id_token(token, request)
        decoded = jwt.decode(signed, self._provider.key, algorithms=["RS256"])
        header = {"alg": "RS256", "kid": self._provider.key.kid}
        sign = self._provider.sign or self._provider.encode
        return sign(header, dict(decoded.claims))


def query_of(url: str) -> dict[str, str]:
    """Return the query of a URL."""
    return dict(parse_qsl(urlsplit(url).query))
