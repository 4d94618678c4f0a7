"""Authentication of ingest requests: finds the PBX of a token."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from werkzeug.datastructures import Authorization, Headers

from callevents.api.problems import ProblemError
from callevents.db.models import Pbx
from callevents.extensions import app_state, db
from callevents.ingest.token_notes import TokenNotes
from callevents.logs import printable
from callevents.pbxs.tokens import digest_token, look_up

#: More than any installation has. A full cache is cleared.
MAX_CACHED_TOKENS = 10_000

log = structlog.get_logger("callevents.ingest")


@dataclass(frozen=True)
class Sender:
    """An authenticated PBX, and its token."""

    pbx: Pbx
    token_id: str
    digest: str


class TokenCache:
    """Caches the senders of valid tokens.

    A cached token may have been revoked since. So the transaction that stores the reports checks it
    again, with one statement for many requests. A check here would cost two for each request.
    """

    def __init__(self) -> None:
        self._senders: dict[tuple[str, str], Sender] = {}

    def find(self, slug: str, token: str) -> Sender | None:
        """Return the cached sender, or None."""
        return self._senders.get((slug, digest_token(token)))

    def refresh(self, slug: str, token: str, address: str = "") -> Sender:
        """Read the sender from the database and cache it; raises ProblemError with 401.

        `address`: where the report comes from, to note it if the token is not valid.
        """
        sender = _authenticate(slug, token, address)
        if len(self._senders) >= MAX_CACHED_TOKENS:
            self._senders.clear()
        self._senders[slug, sender.digest] = sender
        return sender

    def forget(self, sender: Sender) -> None:
        """Remove a sender whose token has been revoked."""
        self._senders.pop((sender.pbx.slug, sender.digest), None)


def get_header_token(headers: Headers | Mapping[str, str]) -> str:
    """Return the token from the headers, or an empty text. A mapping has lower-case names."""
    credentials = Authorization.from_header(headers.get("authorization"))
    if credentials is not None:
        if credentials.type == "bearer":
            return credentials.token or ""
        if credentials.type == "basic":
            return credentials.password or ""
    return headers.get("x-ingest-token", "").strip()


def token_error(token: str) -> ProblemError:
    """Return the error for an invalid or missing token."""
    detail = (
        "There is no such PBX, or the token is not valid for it. Check the address and the token."
        if token
        else "The token is missing. Send it as 'Authorization: Bearer TOKEN', as the password "
        "of HTTP Basic, as 'X-Ingest-Token: TOKEN', or as token=TOKEN in the query."
    )
    return ProblemError(401, detail, headers={"WWW-Authenticate": 'Bearer realm="ingest"'})


def _authenticate(slug: str, token: str, address: str) -> Sender:
    """Return the sender; raises ProblemError with 401.

    A stranger cannot learn which PBXs there are. The log tells.
    """
    found = look_up(slug, token)
    if found.token_id is None:
        wrong = "token not valid" if token else "no token"
        reason = "no such PBX" if found.pbx_id is None else wrong
        log.info("report refused", pbx=printable(slug[:64]), reason=reason)
        if found.pbx_id is not None and address:
            app_state().get(TokenNotes).note_unknown(found.pbx_id, address)
        raise token_error(token)
    pbx = db.session.get_one(Pbx, found.pbx_id)
    sender = Sender(pbx, found.token_id, digest_token(token))
    # The cache outlives this request's session and is shared by all threads.
    db.session.expunge(pbx)
    return sender
