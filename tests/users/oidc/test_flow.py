"""The code flow: what is accepted of a provider, and of somebody who pretends to be one."""

import hmac
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from callevents.config.oidc import OidcProvider
from callevents.errors import BusyError
from callevents.users.oidc import discovery, flow
from callevents.users.oidc.begun import Flow
from callevents.users.oidc.errors import ProviderRefusedError, ProviderUnavailableError
from callevents.users.oidc.flow import Identity
from callevents.users.oidc.sign_out import find_end_url
from tests.support.authenticator import encode
from tests.support.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Claims,
    Provider,
    make_key,
    query_of,
)
from tests.support.ports import find_free_port
from tests.users.oidc.conftest import REDIRECT_URI

REFUSED = "Acme did not sign you in. Start again."
UNAVAILABLE = "Acme cannot be reached at the moment."


def begin(server: Provider, acme: OidcProvider) -> tuple[Flow, dict[str, str]]:
    """Begin a flow and sign in at the provider; return the flow, and how the browser returns."""
    url, begun = flow.begin(acme, REDIRECT_URI)
    back = server.visit(url)
    assert back.startswith(f"{REDIRECT_URI}?")
    return begun, query_of(back)


def sign_in(server: Provider, acme: OidcProvider) -> Identity:
    """Go through the whole flow."""
    begun, query = begin(server, acme)
    return flow.finish(acme, begun, REDIRECT_URI, query)


def test_sign_in(server: Provider, acme: OidcProvider) -> None:
    """The ID token names the user, with the claims of the provider."""
    identity = sign_in(server, acme)
    assert identity.subject == "42"
    assert identity.claims["preferred_username"] == "olga"
    assert identity.claims["groups"] == ["pbx-admins", "others"]


def test_request_has_state_nonce_and_pkce(acme: OidcProvider) -> None:
    """Each flow has values of its own, and the verifier is not in the URL."""
    (first, begun), (second, _) = (flow.begin(acme, REDIRECT_URI) for _ in range(2))
    query = query_of(first)
    assert query["code_challenge_method"] == "S256"
    assert query["response_type"] == "code"
    assert begun.verifier not in first
    for name in ("state", "nonce", "code_challenge"):
        assert len(query[name]) >= 43
        assert query[name] != query_of(second)[name]


def test_code_works_once(server: Provider, acme: OidcProvider) -> None:
    """A copied return to our address signs nobody in."""
    begun, query = begin(server, acme)
    flow.finish(acme, begun, REDIRECT_URI, query)
    with pytest.raises(ProviderRefusedError, match=REFUSED):
        flow.finish(acme, begun, REDIRECT_URI, query)


def test_code_of_another_browser(server: Provider, acme: OidcProvider) -> None:
    """A stolen code is worth nothing without the verifier, which never left the other browser."""
    _, stolen = begin(server, acme)
    own, _ = begin(server, acme)
    with pytest.raises(ProviderRefusedError) as caught:
        flow.finish(acme, own, REDIRECT_URI, {**stolen, "state": own.state})
    assert "invalid_grant" in caught.value.reason


@pytest.mark.parametrize(
    "change",
    [{"state": "another"}, {"state": ""}, {"iss": "https://evil.example"}, {"error": "denied"}],
    ids=["state", "no state", "issuer", "error"],
)
def test_wrong_return(server: Provider, acme: OidcProvider, change: dict[str, str]) -> None:
    """A return with another state, of another provider, or with an error."""
    begun, query = begin(server, acme)
    with pytest.raises(ProviderRefusedError, match=REFUSED):
        flow.finish(acme, begun, REDIRECT_URI, query | change)


def test_return_without_a_code(acme: OidcProvider) -> None:
    """A return without anything."""
    _, begun = flow.begin(acme, REDIRECT_URI)
    with pytest.raises(ProviderRefusedError):
        flow.finish(acme, begun, REDIRECT_URI, {"state": begun.state})


def changed(**claims: Any) -> Callable[[Provider, Claims, Claims], str]:
    """Return a way to sign with other claims; None removes one."""

    def sign(server: Provider, header: Claims, found: Claims) -> str:
        found = {name: value for name, value in (found | claims).items() if value is not None}
        return server.encode(header, found)

    return sign


def assemble(header: Claims, claims: Claims, secret: bytes = b"") -> str:
    """Return a token by hand: joserfc makes no such ones."""
    parts = [encode(json.dumps(part).encode()) for part in (header, claims)]
    signed = ".".join(parts)
    signature = hmac.digest(secret, signed.encode(), "sha256") if secret else b""
    return f"{signed}.{encode(signature)}"


def without_signature(server: Provider, header: Claims, claims: Claims) -> str:
    return assemble({"alg": "none"}, claims)


def empty(server: Provider, header: Claims, claims: Claims) -> str:
    return ""


def malformed(server: Provider, header: Claims, claims: Claims) -> str:
    return "no.token.atall"


def with_the_client_secret(server: Provider, header: Claims, claims: Claims) -> str:
    return server.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET))


def with_the_public_key(server: Provider, header: Claims, claims: Claims) -> str:
    """The classic confusion: the public key as the secret of an HMAC."""
    public = server.key.as_pem(private=False)
    return assemble({"alg": "HS256", "kid": server.key.kid}, claims, public)


def with_another_key(server: Provider, header: Claims, claims: Claims) -> str:
    return server.encode(header, claims, make_key("another"))


def with_its_own_key(server: Provider, header: Claims, claims: Claims) -> str:
    """The token brings the key that it is signed with."""
    key = make_key("own")
    return server.encode({"alg": "RS256", "jwk": key.as_dict(private=False)}, claims, key)


def cut(server: Provider, header: Claims, claims: Claims) -> str:
    return server.encode(header, claims).rpartition(".")[0] + "."


def other_claims(server: Provider, header: Claims, claims: Claims) -> str:
    """The signature of one token under the claims of another."""
    first, second = (server.encode(header, claims | {"sub": sub}) for sub in ("42", "1"))
    return ".".join([*second.split(".")[:2], first.split(".")[2]])


#: Tests may run long after this file was read.
DAY = 24 * 3600
OLD, LATER = int(time.time()) - DAY, int(time.time()) + DAY


@pytest.mark.parametrize(
    "sign",
    [
        changed(nonce="another"),
        changed(nonce=None),
        changed(aud="another-client"),
        changed(aud=["another-client", "third"]),
        changed(aud="another-client", azp=CLIENT_ID),
        changed(aud=[CLIENT_ID, "another-client"], azp="another-client"),
        changed(aud=[CLIENT_ID, "another-client"]),
        changed(aud=None),
        changed(azp="another-client"),
        changed(iss="https://evil.example"),
        changed(iss=None),
        changed(exp=OLD),
        changed(exp=None),
        changed(iat=LATER, exp=LATER + 300),
        changed(nbf=LATER),
        changed(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
        changed(sub=None),
        changed(sub=""),
        changed(sub=42),
        changed(sub="x" * 256),
        changed(sub="a\0b"),
        without_signature,
        with_the_client_secret,
        with_the_public_key,
        with_another_key,
        with_its_own_key,
        cut,
        other_claims,
        empty,
        malformed,
    ],
    ids=[
        *(
            "nonce",
            "no nonce",
            "audience",
            "audiences",
            "party without audience",
            "party of others",
            "no party",
            "no audience",
        ),
        *("party", "issuer", "no issuer", "expired", "no expiry", "of the future", "not yet"),
        *("access token", "no subject", "empty subject", "number", "long subject", "nul"),
        *("alg none", "client secret", "public key", "another key", "own key", "cut", "swapped"),
        *("empty", "malformed"),
    ],
)
def test_forged_tokens(
    server: Provider, acme: OidcProvider, sign: Callable[[Provider, Claims, Claims], str]
) -> None:
    """Tokens for another browser, client or time, of another issuer, or without its signature."""
    server.sign = lambda header, claims: sign(server, header, claims)
    with pytest.raises(ProviderRefusedError, match=REFUSED):
        sign_in(server, acme)
    server.sign = None
    assert sign_in(server, acme).subject == "42"


@pytest.mark.parametrize("seconds", [30, -30])
def test_clocks_may_differ(server: Provider, acme: OidcProvider, seconds: int) -> None:
    """A provider whose clock is half a minute ahead or behind is trusted."""

    def sign(header: Claims, claims: Claims) -> str:
        now = int(time.time()) + seconds
        return server.encode(header, claims | {"iat": now, "exp": now + 10})

    server.sign = sign
    assert sign_in(server, acme).subject == "42"


def test_new_keys(server: Provider, acme: OidcProvider) -> None:
    """A provider that changes its keys is asked for them again."""
    sign_in(server, acme)
    for key in (make_key("second"), RSAKey.generate_key(2048, {"kid": "second"})):
        server.key = key
        assert sign_in(server, acme).subject == "42"


def test_claims_of_the_user_info(server: Provider, acme: OidcProvider) -> None:
    """Groups that are not in the token are asked for; what is signed counts more."""
    del server.user["groups"]
    server.user_info = {"groups": ["staff"], "preferred_username": "mallory"}
    claims = sign_in(server, acme).claims
    assert claims["groups"] == ["staff"]
    assert claims["preferred_username"] == "olga"


def test_user_info_of_another_user(server: Provider, acme: OidcProvider) -> None:
    """The user info has to be of the same subject."""
    del server.user["groups"]
    server.user_info = {"sub": "1", "groups": ["pbx-admins"]}
    with pytest.raises(ProviderRefusedError):
        sign_in(server, acme)


def test_redirect_uri_that_is_not_registered(acme: OidcProvider, server: Provider) -> None:
    """The provider sends nobody to another address."""
    url, _ = flow.begin(acme, "https://evil.example/")
    with pytest.raises(AssertionError):
        server.visit(url)


def test_provider_that_is_down(server: Provider, acme: OidcProvider) -> None:
    """Before and during a flow there is a sentence."""
    begun, query = begin(server, acme)
    server.close()
    with pytest.raises(ProviderUnavailableError, match=UNAVAILABLE):
        flow.finish(acme, begun, REDIRECT_URI, query)
    other = acme.model_copy(update={"issuer": f"http://127.0.0.1:{find_free_port()}"})
    with pytest.raises(ProviderUnavailableError, match=UNAVAILABLE):
        flow.begin(other, REDIRECT_URI)
    assert find_end_url(other, "", "http://localhost/") == ""


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": None},
        {"jwks_uri": ["https://evil.example"]},
        {"jwks_uri": "file:///etc/passwd"},
        {"end_session_endpoint": "https://acme.example/end\r\nSet-Cookie: x=1"},
    ],
    ids=["issuer", "no tls", "missing", "no text", "file", "header"],
)
def test_wrong_metadata(server: Provider, acme: OidcProvider, metadata: Claims) -> None:
    """A provider whose metadata is wrong is not used."""
    server.metadata = metadata
    with pytest.raises(ProviderUnavailableError, match=UNAVAILABLE):
        flow.begin(acme, REDIRECT_URI)


def test_redirected_metadata(server: Provider, acme: OidcProvider) -> None:
    """Redirects are not followed."""
    other = acme.model_copy(update={"issuer": f"{server.issuer}/moved"})
    with pytest.raises(ProviderUnavailableError) as caught:
        flow.begin(other, REDIRECT_URI)
    assert "returned 302" in caught.value.reason


def test_metadata_is_kept(server: Provider, acme: OidcProvider) -> None:
    """The provider is asked once an hour, and not at each sign-in."""
    first = discovery.load_metadata(acme)
    assert discovery.load_metadata(acme) is first
    assert discovery.load_metadata(acme, is_fresh=True) is not first


@pytest.mark.slow
def test_hanging_provider(acme: OidcProvider, hung: str) -> None:
    """Only a few threads wait for a provider that hangs; others are told to come back."""
    other = acme.model_copy(update={"issuer": hung})
    found: Counter[str] = Counter()

    def click() -> None:
        try:
            flow.begin(other, REDIRECT_URI)
        except (ProviderUnavailableError, BusyError) as error:
            found[type(error).__name__] += 1

    threads = [threading.Thread(target=click) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"BusyError": 6, "ProviderUnavailableError": 4}
    with pytest.raises(ProviderUnavailableError):
        flow.begin(other, REDIRECT_URI)
    flow.begin(acme, REDIRECT_URI)


@pytest.fixture
def hung() -> Iterator[str]:
    """The issuer of a provider that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_sign_out_url(acme: OidcProvider, server: Provider) -> None:
    """It names the client, the token and where to return."""
    url = find_end_url(acme, "a.b.c", "http://localhost/sign-in")
    assert url.startswith(f"{server.issuer}/end?")
    assert query_of(url) == {
        "client_id": CLIENT_ID,
        "post_logout_redirect_uri": "http://localhost/sign-in",
        "id_token_hint": "a.b.c",
    }
    server.metadata = {"end_session_endpoint": ""}
    discovery.load_metadata(acme, is_fresh=True)
    assert find_end_url(acme, "a.b.c", "http://localhost/sign-in") == ""
