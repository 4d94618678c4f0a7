"""A request to store reports, as it waits for its group commit."""

import threading
from collections.abc import Callable, Sequence

from callevents.db.models import Pbx
from callevents.ingest.accept import Accepted
from callevents.ingest.report import CallOver, Report

#: Called with a result for each report, or with an error as `GroupCommit.submit` raises it.
Done = Callable[[list[Accepted] | Exception], object]


class Submission:
    """The reports of one request, and their result."""

    def __init__(
        self,
        pbx: Pbx,
        token_id: str | None,
        reports: Sequence[Report],
        overs: Sequence[CallOver] = (),
    ) -> None:
        self.pbx = pbx
        self.token_id = token_id
        self.reports = reports
        self.overs = overs
        self.accepted: list[Accepted] | None = None
        self.error: Exception | None = None
        #: A bare lock, held until the request is done or leads: an Event takes four times as long.
        self._ready = threading.Lock()
        self._ready.acquire()

    @property
    def is_done(self) -> bool:
        """True if there is a result or an error."""
        return self.accepted is not None or self.error is not None

    def wait(self) -> None:
        """Wait until it is done or has to lead."""
        self._ready.acquire()

    def notify(self) -> None:
        """Resume the waiting thread."""
        self._ready.release()


class LaterSubmission(Submission):
    """A request for which no thread waits: it calls a function with its result, or to lead."""

    def __init__(
        self,
        pbx: Pbx,
        token_id: str,
        reports: Sequence[Report],
        lead: Callable[[], object],
        done: Done,
    ) -> None:
        super().__init__(pbx, token_id, reports)
        self._lead = lead
        self._done = done

    def notify(self) -> None:
        """Pass the result on if there is one, or else start to lead."""
        if self.is_done:
            self._done(self.error or self.accepted or [])
        else:
            self._lead()
