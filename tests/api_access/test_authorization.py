"""Requests for consent: what is answered on a page, what the app gets, and what is read."""

from urllib.parse import parse_qs, urlsplit

import pytest

from callevents.api_access.authorization import (
    MAX_LENGTH,
    AuthorizationRequest,
    Target,
    find_target,
    narrow,
    read_request,
)
from callevents.api_access.oauth_error import OAuthError, OAuthErrorCode
from callevents.api_access.scopes import ApiScope
from callevents.db.models import Pbx, User, utc_now
from callevents.db.session import begin_write
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.users import lifecycle
from tests.support.oauth_app import BACK, BOTH, CHALLENGE, AppKey, add_app


def read(parameters: dict[str, str]) -> AuthorizationRequest:
    """Read the request with these parameters."""
    listed = {name: [value] for name, value in parameters.items()}
    return read_request(find_target(listed), listed)


def refusal(parameters: dict[str, str]) -> str:
    """Return the error that the app gets."""
    with pytest.raises(OAuthError) as caught:
        read(parameters)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert not set('"\\') & set(sentence), "RFC 6749 does not allow them"
    return caught.value.code


def test_request(crm: AppKey) -> None:
    """Without a scope it is for all of the app; other parameters are passed over."""
    asked = read(crm.asks(nonce="n", response_mode="fragment"))
    assert asked.target == Target(crm.load(), BACK, "s-1")
    assert (asked.scopes, asked.code_challenge) == (frozenset(BOTH), "")
    asked = read(crm.asks(scope="uapi", code_challenge=CHALLENGE, code_challenge_method="S256"))
    assert (asked.scopes, asked.code_challenge) == (frozenset({ApiScope.UAPI}), CHALLENGE)
    assert read(asked.parameters) == asked, "the form of the page repeats it"


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": ""},
        {"client_id": "unknown"},
        {"client_id": "\0"},
        {"redirect_uri": ""},
        {"redirect_uri": "https://crm.example.com/back"},
        {"redirect_uri": f"{BACK}&more=1"},
        {"redirect_uri": "https://CRM.example.com/back?tenant=7"},
        {"redirect_uri": "https://evil.example/back"},
    ],
)
def test_uncertain_target(crm: AppKey, changed: dict[str, str]) -> None:
    """An unknown app, or an address that is not registered exactly so, is no target."""
    with pytest.raises(InvalidError):
        read(crm.asks(**changed))


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_repeated_target(crm: AppKey, name: str) -> None:
    """Of two addresses none is certain."""
    values = crm.asks()
    twice = {one: [value] * (1 + (one == name)) for one, value in values.items()}
    with pytest.raises(InvalidError):
        find_target(twice)


def test_addresses_of_another_app(crm: AppKey) -> None:
    """An app cannot use the address of another one."""
    fax = add_app("ana", "Fax", back="https://fax.example.com/")
    with pytest.raises(InvalidError):
        read(fax.asks())


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"state": ""}, "invalid_request"),
        ({"state": "x" * MAX_LENGTH}, "invalid_request"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"scope": "uapi users:write"}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"code_challenge": CHALLENGE}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": f"{CHALLENGE}=", "code_challenge_method": "S256"}, "invalid_request"),
    ],
)
def test_refusals(crm: AppKey, changed: dict[str, str], code: str) -> None:
    """The app gets the code of what is wrong."""
    assert refusal(crm.asks(**changed)) == code


@pytest.mark.parametrize("name", ["response_type", "state", "scope", "code_challenge"])
def test_repeated_parameters(crm: AppKey, name: str) -> None:
    """A parameter that is given twice is refused, and no state is sent back if it was the state."""
    listed = {one: [value] for one, value in crm.asks().items()}
    listed[name] = ["uapi", "uapi"]
    target = find_target(listed)
    assert target.state == ("" if name == "state" else "s-1")
    with pytest.raises(OAuthError, match="given twice") as caught:
        read_request(target, listed)
    assert caught.value.code is OAuthErrorCode.INVALID_REQUEST


def test_app_that_cannot_be_allowed(crm: AppKey, pbx: Pbx, bob: User) -> None:
    """That of a disabled owner, and that of a PBX that is being removed."""
    of_bob = add_app("bob", "Fax")
    of_pbx = add_app("ana", "Phones", pbx=pbx)
    begin_write()
    lifecycle.disable_user(bob)
    db.session.get_one(Pbx, pbx.id).removing_at = utc_now()
    db.session.commit()
    assert refusal(of_bob.asks()) == refusal(of_pbx.asks()) == "unauthorized_client"
    assert read(crm.asks())


@pytest.mark.parametrize("state", ["s-1", "a b&c=d#e", "ö/+%20", "x" * 2000])
@pytest.mark.parametrize("back", [BACK, "https://crm.example.com/back", "http://[::1]:9/?a="])
def test_answers(ana: User, back: str, state: str) -> None:
    """The answer is added to the registered address, which stays as it is, with the same state."""
    target = Target(add_app("ana", back=back).load(), back, state)
    url = target.url(code="c&1")
    assert url.startswith(back)
    query = parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert (query["code"], query["state"]) == (["c&1"], [state])
    error = OAuthError(OAuthErrorCode.ACCESS_DENIED, "Denied.")
    assert target.url_of(error).startswith(f"{url.partition('code=')[0]}error=access_denied&")


def test_narrow() -> None:
    """Only scopes that are allowed, and all of them if none is named."""
    allowed = frozenset(BOTH)
    assert narrow(allowed, "") == narrow(allowed, " ") == allowed
    assert narrow(allowed, "uapi  uapi") == {ApiScope.UAPI}
    with pytest.raises(OAuthError, match="Possible scopes are: uapi hooks:read"):
        narrow(allowed, "uapi hooks:write")
