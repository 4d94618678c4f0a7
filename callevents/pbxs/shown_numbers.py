"""Texts about the calls of a PBX, for readers who may or may not see whole phone numbers."""

from dataclasses import dataclass, field

from sqlalchemy import select

from callevents.db.models import CallEvent, Extension, Pbx
from callevents.extensions import db
from callevents.security.hidden_numbers import hide_numbers

_CALL_VALUES = (
    "peer",
    "caller_number",
    "caller_name",
    "caller_extension",
    "called_number",
    "called_extension",
    "called_did",
    "answered_by",
)


@dataclass(frozen=True)
class ShownNumbers:
    """How numbers of the calls of a PBX are shown to one reader.

    `may_manage`: that reader may manage the PBX, and sees numbers that it hides from others.
    """

    pbx: Pbx
    may_manage: bool
    _extensions: dict[str, bool] = field(default_factory=dict)

    @property
    def are_whole(self) -> bool:
        """True if the reader may see whole phone numbers."""
        return not self.pbx.hides_numbers or self.may_manage

    def in_text(self, text: str, event: CallEvent | None = None) -> str:
        """Return the text, with phone numbers hidden if the PBX wants that for this reader.

        `event`: that from which the text was made.
        """
        if self.are_whole:
            return text
        known = [getattr(event, name) for name in _CALL_VALUES] if event else []
        return hide_numbers(text, known)

    def of_extension(self, number: str) -> str:
        """Return the number of a call's extension: hidden, as others, unless the PBX has it."""
        shown = self.in_text(number)
        return number if shown == number or self._is_extension(number) else shown

    def _is_extension(self, number: str) -> bool:
        if number not in self._extensions:
            found = select(Extension.id).where(
                Extension.pbx_id == self.pbx.id, Extension.number == number
            )
            self._extensions[number] = db.session.scalar(found) is not None
        return self._extensions[number]
