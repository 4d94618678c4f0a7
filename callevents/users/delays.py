"""Growing delays after failed sign-ins, of users and of apps.

Failures count for the account and for the address. A device that the user signed in with before has
a count of its own instead, so that failures elsewhere do not lock out the user. Failures of an app
count only where they come from, because its ID is no secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from math import ceil

from sqlalchemy import delete, func, select

from callevents.db.models import SignInFailure, utc_now
from callevents.db.session import insert_into
from callevents.errors import TooManyAttemptsError
from callevents.extensions import db
from callevents.security.client_network import client_network

#: The next failure delays sign-in by one second, and each one after it doubles the delay.
FAILURES_WITHOUT_DELAY = 4
MAX_DELAY_SECONDS = 300
#: Older failures no longer count.
FAILURE_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Client:
    """Where a sign-in comes from."""

    #: None if many clients share the address: that of a trusted reverse proxy.
    address: str | None
    #: The ID of the device, if the same user signed in with it before.
    device_id: str | None = None

    @property
    def is_known(self) -> bool:
        """True if the user signed in with this device before."""
        return self.device_id is not None


def find_keys(username: str, client: Client) -> Sequence[str]:
    """Return the keys that failures of this client for this account are counted by.

    A successful sign-in resets the first one.
    """
    if client.device_id is not None:
        return [_key("device", client.device_id)]
    keys = [_key("account", username)]
    if client.address is not None:
        keys.append(_key("address", client_network(client.address)))
    return keys


def find_code_keys(username: str, client: Client) -> Sequence[str]:
    """Return the keys that wrong codes are counted by: a right password does not reset them."""
    if client.device_id is not None:
        return [_key("code-device", client.device_id)]
    keys = [_key("code", username)]
    if client.address is not None:
        keys.append(_key("address", client_network(client.address)))
    return keys


def find_app_keys(client_id: str, address: str | None, *, is_known: bool) -> Sequence[str]:
    """Return the keys that wrong secrets of an app are counted by.

    `is_known`: the app has been used from this address. Then other apps that fail there, such as
    one on the same server whose secret was changed, do not delay it. `address` is None if many
    clients share the address.
    """
    network = client_network(address) if address is not None else ""
    keys = [_key("app", f"{client_id}@{network}")]
    if address is not None and not is_known:
        # Not that of users: an app that goes on with an old secret must not keep them out.
        keys.append(_key("app-address", network))
    return keys


def check_not_blocked(keys: Sequence[str]) -> bool:
    """Raise TooManyAttemptsError while one of the keys is blocked; return True if any failed."""
    blocked_until = db.session.scalar(
        select(func.max(SignInFailure.blocked_until)).where(SignInFailure.key.in_(keys))
    )
    if blocked_until is not None and blocked_until > (now := utc_now()):
        raise TooManyAttemptsError(ceil((blocked_until - now).total_seconds()))
    return blocked_until is not None


def count_failure(keys: Sequence[str]) -> None:
    """Count a failure for each key."""
    now = utc_now()
    db.session.execute(
        delete(SignInFailure).where(SignInFailure.failed_at < now - FAILURE_LIFETIME)
    )
    # All transactions lock the keys in the same order.
    for key in sorted(keys):
        first = {"key": key, "count": 0, "failed_at": now, "blocked_until": now}
        db.session.execute(insert_into(SignInFailure).values(first).on_conflict_do_nothing())
        # The row exists now, and its lock makes concurrent failures wait until we commit.
        failure = db.session.get_one(
            SignInFailure, key, with_for_update=True, populate_existing=True
        )
        failure.count += 1
        failure.failed_at = now
        failure.blocked_until = now + timedelta(seconds=_delay_seconds(failure.count))


def forgive(keys: Sequence[str]) -> None:
    """Reset the failures of the account or the device, but not those of the address."""
    db.session.execute(delete(SignInFailure).where(SignInFailure.key == keys[0]))


def _delay_seconds(count: int) -> int:
    """Return the delay in seconds before the next attempt, after `count` failures."""
    if count <= FAILURES_WITHOUT_DELAY:
        return 0
    return min(1 << min(count - FAILURES_WITHOUT_DELAY - 1, 20), MAX_DELAY_SECONDS)


def _key(kind: str, value: str) -> str:
    return sha256(f"{kind}:{value}".encode("utf-8", "surrogatepass")).hexdigest()
