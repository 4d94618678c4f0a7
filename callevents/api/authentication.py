"""Who reports: the PBX whose token a request carries."""

from dataclasses import dataclass

from werkzeug.wrappers import Request

from callevents.api.problems import ProblemError
from callevents.db.models import Pbx
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.pbxs.pbxs import get_pbx
from callevents.pbxs.tokens import digest_token, find_token

#: More than any installation has; beyond it tokens are looked up anew.
MAX_CACHED_TOKENS = 10_000


@dataclass(frozen=True)
class Sender:
    """A PBX, and the token with which it has proved itself."""

    pbx: Pbx
    token_id: str
    digest: str


class TokenCache:
    """Finds the sender by the token, and remembers it.

    What is remembered may have been revoked since. So whoever stores something asks in the same
    transaction whether the token is still valid, which costs one statement for many requests,
    where asking here cost two for each.
    """

    def __init__(self) -> None:
        self._senders: dict[tuple[str, str], Sender] = {}

    def find(self, slug: str, token: str) -> Sender | None:
        """Return the sender if it is remembered."""
        return self._senders.get((slug, digest_token(token)))

    def renew(self, slug: str, token: str) -> Sender:
        """Return the sender as it is now; raises ProblemError with 401 or 404."""
        sender = _authenticate(slug, token)
        if len(self._senders) >= MAX_CACHED_TOKENS:
            self._senders.clear()
        self._senders[slug, sender.digest] = sender
        return sender

    def forget(self, sender: Sender) -> None:
        """Forget a sender whose token is not valid any more."""
        self._senders.pop((sender.pbx.slug, sender.digest), None)


def get_header_token(request: Request) -> str:
    """Return the token of the headers, empty if there is none."""
    authorization = request.authorization
    if authorization is not None:
        if authorization.type == "bearer":
            return authorization.token or ""
        if authorization.type == "basic":
            return authorization.password or ""
    return request.headers.get("X-Ingest-Token", "").strip()


def token_error(token: str) -> ProblemError:
    """Return the error for a token that is wrong or missing."""
    detail = (
        "The token is not one of this PBX's valid ones."
        if token
        else "The token is missing. Send it as 'Authorization: Bearer TOKEN', as the password "
        "of HTTP Basic, as 'X-Ingest-Token: TOKEN', or as token=TOKEN in the query."
    )
    return ProblemError(401, detail, headers={"WWW-Authenticate": 'Bearer realm="ingest"'})


def _authenticate(slug: str, token: str) -> Sender:
    try:
        pbx = get_pbx(slug)
    except NotFoundError:
        raise ProblemError(404, f"There is no PBX {slug[:64]!a}. Check the address.") from None
    found = find_token(pbx, token)
    if found is None:
        raise token_error(token)
    sender = Sender(pbx, found.id, found.digest)
    # Kept as it is, for every thread, when this request's session ends.
    db.session.expunge(pbx)
    return sender
