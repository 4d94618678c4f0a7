"""A flow that has begun: apart from flow.py, whose packages only sign-ins need."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Flow:
    """A flow that has begun, as the browser's cookie keeps it."""

    state: str
    nonce: str
    verifier: str
