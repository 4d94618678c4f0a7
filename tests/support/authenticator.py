"""An authenticator in software, which also makes answers that a real one would not."""

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

#: Flags of the authenticator data: present, verified, and with a new credential.
PRESENT, VERIFIED, ATTESTED = 1, 4, 64


def encode(data: bytes) -> str:
    """Return the bytes in base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Return the bytes of a text in base64url."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """Keeps one passkey; its attributes can be changed to cheat."""

    origin: str = "https://calls.example"
    party_id: str = "calls.example"
    flags: int = PRESENT | VERIFIED
    sign_count: int = 0
    user_handle: bytes = b""
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def make(self, options: str) -> str:
        """Return the answer to the options of a registration."""
        given = json.loads(options)
        self.user_handle = decode(given["user"]["id"])
        client = self._client_data("webauthn.create", given["challenge"])
        numbers = self.key.public_key().public_numbers()
        x, y = (value.to_bytes(32, "big") for value in (numbers.x, numbers.y))
        public_key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        length = len(self.credential_id).to_bytes(2, "big")
        data = self._authenticator_data(ATTESTED) + bytes(16) + length
        data += self.credential_id + public_key
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(clientDataJSON=client, attestationObject=attestation)

    def use(self, options: str) -> str:
        """Return the answer to the options of a sign-in."""
        client = self._client_data("webauthn.get", json.loads(options)["challenge"])
        data = self._authenticator_data()
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            clientDataJSON=client,
            authenticatorData=data,
            signature=signature,
            userHandle=self.user_handle,
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        values = {"type": kind, "challenge": challenge, "origin": self.origin}
        return json.dumps(values).encode()

    def _authenticator_data(self, flags: int = 0) -> bytes:
        flags |= self.flags
        counter = self.sign_count.to_bytes(4, "big")
        return sha256(self.party_id.encode()).digest() + bytes([flags]) + counter

    def _answer(self, **response: bytes) -> str:
        values: dict[str, Any] = {name: encode(value) for name, value in response.items()}
        name = encode(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": values})
