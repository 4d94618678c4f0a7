"""What a PBX lists of its extensions: gathered from its answers, and which of it to propose."""

from collections.abc import Iterable
from dataclasses import dataclass

from callevents.db.models import MAX_NUMBER_LENGTH

#: A longer list is cut: nobody picks from more, and a pattern or a range is the better way then.
MAX_LISTED = 5000


@dataclass(frozen=True, slots=True)
class Listed:
    """A phone that the PBX knows. `realm`: the domain in which its number is unique."""

    number: str
    realm: str = ""
    name: str = ""

    @property
    def full(self) -> str:
        """The number with its realm, as it tells tenants apart."""
        return f"{self.number}@{self.realm}" if self.realm else self.number


@dataclass(frozen=True)
class Listing:
    """What all lists together have said."""

    listed: tuple[Listed, ...]
    #: What a PBX said that refused all of them.
    refusal: str = ""
    #: So many were left out because there were too many.
    left_out: int = 0
    #: Whether a list that the PBX has was refused.
    is_partial: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether what is not in it is not known to the PBX."""
        return not (self.refusal or self.left_out or self.is_partial)


class Gatherer:
    """Gathers lists that come in pieces, one beside the other."""

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._refusals: list[str] = []
        self._asked = 0
        self._found: dict[tuple[str, str], str] = {}
        self._left_out = 0
        self._is_partial = False

    @property
    def is_waiting(self) -> bool:
        """Whether a list has been asked for and has not ended."""
        return bool(self._waiting)

    @property
    def numbers(self) -> frozenset[str]:
        """The numbers that have come up to now."""
        return frozenset(number for number, _ in self._found)

    def begin(self, lists: Iterable[str]) -> None:
        """Note that these lists were asked for; forget what came before."""
        self._waiting = set(lists)
        self._asked = len(self._waiting)
        self._refusals, self._found, self._left_out, self._is_partial = [], {}, 0, False

    def add(self, one: Listed) -> None:
        """Take an entry, unless there are too many."""
        key = (one.number, one.realm)
        if not self._waiting or not one.number or len(one.full) > MAX_NUMBER_LENGTH:
            return
        if key not in self._found and len(self._found) >= MAX_LISTED:
            self._left_out += 1
        else:
            self._found[key] = self._found.get(key) or one.name

    def end(self, name: str, refusal: str = "", *, is_unknown: bool = False) -> None:
        """Note the end of a list, or what the PBX said instead: that there is none, or no."""
        if name in self._waiting:
            self._waiting.remove(name)
            self._refusals += [refusal] * bool(refusal)
            self._is_partial |= bool(refusal) and not is_unknown

    def take(self) -> Listing | None:
        """Return what was gathered, once, as soon as all lists have ended."""
        if self._waiting or not self._asked:
            return None
        is_refused = len(self._refusals) == self._asked
        listed = tuple(Listed(*key, name) for key, name in self._found.items())
        refusal = self._refusals[0] if is_refused else ""
        listing = Listing(listed, refusal, self._left_out, self._is_partial)
        self.begin(())
        return listing
