"""The two ceremonies of WebAuthn: a browser makes a passkey, and signs in with one.

Each begins with options for the browser, with a challenge, and ends with the browser's answer. The
authenticator must verify the user, by fingerprint, face or PIN, so a passkey alone is two factors.
"""

from dataclasses import dataclass

import webauthn
from sqlalchemy import select
from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from callevents.db.models import Passkey, User
from callevents.errors import InvalidError, SignInError
from callevents.extensions import db
from callevents.users.second_factor import passkeys
from callevents.users.second_factor.passkeys import RelyingParty

PRODUCT = "Call Events"
REFUSED = "The browser's answer was not accepted. Try again."


@dataclass(frozen=True)
class Ceremony:
    """A ceremony that has begun."""

    #: JSON for the browser.
    options: str
    challenge: bytes


def begin_adding(user: User, party: RelyingParty) -> Ceremony:
    """Return the options with which a browser makes a passkey of the user."""
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=PRODUCT,
        user_name=user.username,
        user_id=passkeys.user_handle(user),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(user),
    )
    return Ceremony(webauthn.options_to_json(options), options.challenge)


def finish_adding(
    user: User, party: RelyingParty, challenge: bytes, answer: str, name: str
) -> Passkey:
    """Store the passkey that the browser made and return it; raises InvalidError about `name`."""
    try:
        verified = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except Exception as error:  # what the package raises for malformed answers is not documented
        raise InvalidError.of("name", REFUSED) from error
    passkey = Passkey(
        user_id=user.id,
        name=name,
        credential_id=bytes_to_base64url(verified.credential_id),
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
    )
    passkeys.add(user, passkey, challenge)
    return passkey


def begin_sign_in(party: RelyingParty, user: User | None) -> Ceremony:
    """Return the options with which a browser signs in, by any passkey or one of the user."""
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        allow_credentials=_descriptors(user) if user else None,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Ceremony(webauthn.options_to_json(options), options.challenge)


def verify_sign_in(party: RelyingParty, challenge: bytes, answer: str) -> tuple[Passkey, int]:
    """Return the passkey that made the answer, and its new counter; raises SignInError.

    Only reads the database. `passkeys.use` ends the sign-in.
    """
    try:
        given = parse_authentication_credential_json(answer)
        passkey = passkeys.find_by_credential(bytes_to_base64url(given.raw_id))
        if passkey is None or not _is_handle_of(passkey, given.response.user_handle):
            raise SignInError(passkeys.REFUSED)
        verified = webauthn.verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except SignInError:
        raise
    except Exception as error:  # as above
        raise SignInError(passkeys.REFUSED) from error
    return passkey, verified.new_sign_count


def _is_handle_of(passkey: Passkey, handle: bytes | None) -> bool:
    """Return True if the answer names no other user; after a password it may name none."""
    user = db.session.get_one(User, passkey.user_id)
    return handle is None or handle == passkeys.user_handle(user)


def _descriptors(user: User) -> list[PublicKeyCredentialDescriptor]:
    ids = db.session.scalars(select(Passkey.credential_id).where(Passkey.user_id == user.id))
    return [PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(one)) for one in ids]
