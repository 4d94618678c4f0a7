"""Passkeys: which answers of an authenticator are accepted."""

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callevents.db.models import Passkey, User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.errors import InvalidError, NotFoundError, SignInError
from callevents.extensions import db
from callevents.users import users
from callevents.users.second_factor import ceremonies, passkeys, second_factor
from callevents.users.second_factor.passkeys import RelyingParty
from tests.support.authenticator import PRESENT, Authenticator
from tests.users.signing_in import PASSWORD

PARTY = RelyingParty("calls.example", "https://calls.example")
REFUSED = "The passkey was not accepted."


def add(user: User, device: Authenticator, name: str = "Laptop") -> Passkey:
    """Add the passkey of an authenticator."""
    begin_write()
    ceremony = ceremonies.begin_adding(user, PARTY)
    answer = device.make(ceremony.options)
    try:
        passkey = ceremonies.finish_adding(user, PARTY, ceremony.challenge, answer, name)
    finally:
        db.session.commit()
    return passkey


def sign_in(device: Authenticator, party: RelyingParty = PARTY) -> User:
    """Sign in with the passkey of an authenticator."""
    ceremony = ceremonies.begin_sign_in(party, None)
    return answer_challenge(ceremony.challenge, device.use(ceremony.options))


def answer_challenge(challenge: bytes, answer: str) -> User:
    """Sign in with this answer."""
    passkey, sign_count = ceremonies.verify_sign_in(PARTY, challenge, answer)
    passkey_id = passkey.id
    begin_write()
    try:
        return passkeys.use(passkey_id, challenge, sign_count)
    finally:
        db.session.commit()


@pytest.fixture
def device(user: User) -> Authenticator:
    """An authenticator with a passkey of ana."""
    device = Authenticator()
    add(user, device)
    return device


def test_sign_in_with_a_passkey(user: User, device: Authenticator) -> None:
    """The passkey names its user, and its last use is noted."""
    assert second_factor.has_any(user)
    [passkey] = second_factor.find(user).passkeys
    assert passkey.used_at is None
    assert sign_in(device).id == user.id
    db.session.refresh(passkey)
    assert passkey.used_at is not None


def test_answer_is_accepted_once(device: Authenticator) -> None:
    """A copied answer is refused, although the authenticator has no counter."""
    ceremony = ceremonies.begin_sign_in(PARTY, None)
    answer = device.use(ceremony.options)
    answer_challenge(ceremony.challenge, answer)
    with pytest.raises(SignInError, match=REFUSED):
        answer_challenge(ceremony.challenge, answer)


def other_challenge(device: Authenticator) -> str:
    return device.use(json.dumps({"challenge": "b3RoZXI"}))


def changed(**attributes: object) -> Callable[[Authenticator], str]:
    """Return a way to answer the right challenge with changed attributes."""

    def answer(device: Authenticator) -> str:
        for name, value in attributes.items():
            setattr(device, name, value)
        return ""

    return answer


@pytest.mark.parametrize(
    "cheat",
    [
        other_challenge,
        changed(origin="https://calls.example.evil.example"),
        changed(origin="http://calls.example"),
        changed(party_id="evil.example"),
        changed(flags=PRESENT),
        changed(flags=0),
        changed(user_handle=b"another user"),
        changed(credential_id=b"unknown"),
        changed(key=ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=[
        *("challenge", "origin", "scheme", "party", "not verified", "not present"),
        *("handle", "unknown", "signature"),
    ],
)
def test_forged_answers(device: Authenticator, cheat: Callable[[Authenticator], str]) -> None:
    """Answers to another challenge, of another site, without the user, or with a wrong key."""
    ceremony = ceremonies.begin_sign_in(PARTY, None)
    answer = cheat(device) or device.use(ceremony.options)
    with pytest.raises(SignInError, match=REFUSED):
        answer_challenge(ceremony.challenge, answer)


def test_copied_authenticator(user: User) -> None:
    """A counter that goes back reveals a copy of the key."""
    device = Authenticator(sign_count=5)
    add(user, device)
    device.sign_count = 9
    sign_in(device)
    device.sign_count = 8
    with pytest.raises(SignInError, match=REFUSED):
        sign_in(device)


@pytest.mark.parametrize("flags", [0, PRESENT])
def test_passkey_without_verification_is_not_added(user: User, flags: int) -> None:
    """A key that asks for no fingerprint, face or PIN would be no second factor."""
    with pytest.raises(InvalidError, match="not accepted"):
        add(user, Authenticator(flags=flags))
    assert not second_factor.has_any(user)


def test_passkey_of_another_site_is_not_added(user: User) -> None:
    """The origin has to be ours."""
    with pytest.raises(InvalidError, match="not accepted"):
        add(user, Authenticator(origin="https://evil.example"))


def test_names_and_number(user: User, device: Authenticator) -> None:
    """Names differ, and there is a limit; an authenticator is added once."""
    with pytest.raises(InvalidError, match="You have a passkey named 'Laptop' already"):
        add(user, Authenticator())
    with pytest.raises(InvalidError, match="This passkey was added before"):
        add(user, device, "Again")
    for number in range(passkeys.MAX_PASSKEYS - 1):
        add(user, Authenticator(), f"Key {number}")
    with pytest.raises(InvalidError, match="at most 20 passkeys"):
        add(user, Authenticator(), "One more")


def test_registration_is_answered_once(user: User) -> None:
    """The same challenge adds one passkey."""
    begin_write()
    ceremony = ceremonies.begin_adding(user, PARTY)
    answers = [Authenticator().make(ceremony.options) for _ in range(2)]
    ceremonies.finish_adding(user, PARTY, ceremony.challenge, answers[0], "One")
    with pytest.raises(InvalidError, match="added before"):
        ceremonies.finish_adding(user, PARTY, ceremony.challenge, answers[1], "Two")
    db.session.rollback()


def test_options_reveal_no_users(user: User, device: Authenticator) -> None:
    """A stranger's options name no passkeys; those after a password name the user's."""
    strangers = json.loads(ceremonies.begin_sign_in(PARTY, None).options)
    assert strangers["allowCredentials"] == []
    owners = json.loads(ceremonies.begin_sign_in(PARTY, user).options)
    assert len(owners["allowCredentials"]) == 1
    assert owners["userVerification"] == "required"


def test_all_passkeys_of_a_user_have_one_handle(user: User, device: Authenticator) -> None:
    """Authenticators show one account for a user, and another one for another user."""
    second = Authenticator()
    add(user, second, "Phone")
    assert second.user_handle == device.user_handle
    begin_write()
    other = users.add_user("bob", PASSWORD, Role.VIEWER)
    db.session.commit()
    add(other, stranger := Authenticator())
    assert stranger.user_handle != device.user_handle


def test_removed_passkey(user: User, device: Authenticator) -> None:
    """It signs nobody in any more; another user cannot remove it."""
    [passkey] = second_factor.find(user).passkeys
    begin_write()
    other = users.add_user("bob", PASSWORD, Role.VIEWER)
    with pytest.raises(NotFoundError):
        passkeys.get_passkey(other, passkey.id)
    passkeys.remove(other, passkey.id)
    assert second_factor.has_any(user)
    passkeys.remove(user, passkey.id)
    db.session.commit()
    with pytest.raises(SignInError, match=REFUSED):
        sign_in(device)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON", "signature"]),
            inner,
        )
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | JSON.map(json.dumps))
def test_malformed_answers(user: User, text: str) -> None:
    """Any text is refused with a sentence."""
    with pytest.raises(SignInError, match=REFUSED):
        ceremonies.verify_sign_in(PARTY, b"challenge", text)
    with pytest.raises(InvalidError, match="not accepted"):
        ceremonies.finish_adding(user, PARTY, b"challenge", text, "Laptop")
