"""What a route of the management API works with: who calls, with which query and body."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from werkzeug.datastructures import ETags

from callevents.api.v1.models import Answer
from callevents.api.v1.problems import ApiError, ProblemType, not_found
from callevents.api_access.principal import Principal
from callevents.db.models import Pbx
from callevents.enums import Right
from callevents.pbxs.shown_numbers import ShownNumbers

Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B")


@dataclass
class Call(Generic[Q, B]):
    """One request. `body` is None for routes without one."""

    principal: Principal
    query: Q
    body: B
    #: The client's IP address.
    address: str
    #: The parsed If-Match and If-None-Match; empty if there is none.
    if_match: ETags = field(default_factory=ETags)
    if_none_match: ETags = field(default_factory=ETags)
    #: What `Operation.prepare` has returned.
    prepared: Any = None
    _after_commit: list[Callable[[], object]] = field(default_factory=list)
    _numbers: dict[int, ShownNumbers] = field(default_factory=dict)

    def see(
        self,
        what: str,
        right: Right,
        pbx_id: int | None,
        extension_id: str | None = None,
        *,
        sees: Right = Right.SEE,
    ) -> None:
        """Require the right for the extension, the whole PBX, or all PBXs (None).

        Raises ApiError: 404 for what the owner of the token may not see (`sees`), else 403. `what`
        names the object for people.
        """
        may = self.principal.may
        if not may(sees, pbx_id, extension_id):
            raise not_found(what)
        if not may(right, pbx_id, extension_id):
            raise ApiError(ProblemType.FORBIDDEN, f"This needs another role for the {what}.")

    def see_pbx(self, pbx: Pbx | None, right: Right, *, sees: Right = Right.SEE_PBX) -> Pbx:
        """Return the PBX, after `see`. One that is being removed is not found."""
        if pbx is None or pbx.removing_at is not None:
            raise not_found("PBX")
        self.see("PBX", right, pbx.id, sees=sees)
        return pbx

    def administer(self) -> None:
        """Require the right to administer the installation; raises ApiError with 403."""
        if not self.principal.may(Right.ADMINISTER):
            raise ApiError(ProblemType.FORBIDDEN, "Only an admin of all PBXs may do this.")

    def shown_numbers(self, pbx: Pbx) -> ShownNumbers:
        """Return how phone numbers of the PBX's calls are shown to the caller."""
        if pbx.id not in self._numbers:
            may_manage = self.principal.may(Right.MANAGE, pbx.id)
            self._numbers[pbx.id] = ShownNumbers(pbx, may_manage)
        return self._numbers[pbx.id]

    def check_match(self, current: Answer | None, *more_tags: str) -> None:
        """Raise ApiError with 412 if the client expects another version than the current one.

        That is one that If-Match does not name, or that If-None-Match names. `current` is None if
        there is no such object yet; `more_tags`: of the same version in other media types. Call it
        within the transaction of the change, after the row has been locked.
        """
        tags = [] if current is None else [etag_of(current), *more_tags]
        if self.if_match and not any(map(self.if_match.contains, tags)):
            detail = "It has changed since you read it. Read it again. Nothing was changed."
            raise ApiError(ProblemType.PRECONDITION_FAILED, detail)
        if any(map(self.if_none_match.contains_weak, tags)):
            detail = "It exists already. Nothing was changed."
            raise ApiError(ProblemType.PRECONDITION_FAILED, detail)

    def after_commit(self, do: Callable[[], object]) -> None:
        """Call the function once the change is stored."""
        self._after_commit.append(do)

    def finish(self) -> None:
        """Call what waits for the commit."""
        for do in self._after_commit:
            do()


def etag_of(answer: BaseModel) -> str:
    """Return the strong entity tag of the answer, without quotes.

    It depends also on fields that are excluded from the answer, such as the version of a secret.
    """
    facts = type(answer).model_fields.items()
    hidden = [str(getattr(answer, name)) for name, field_info in facts if field_info.exclude]
    text = "\n".join([answer.model_dump_json(), *hidden])
    return sha256(text.encode()).hexdigest()[:32]
