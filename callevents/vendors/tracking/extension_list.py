"""The list of extensions of a PBX, collected from its replies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from callevents.db.models import MAX_NUMBER_LENGTH

#: A longer list is truncated. With more extensions, a pattern or a range is easier than picking.
MAX_LISTED = 5000


@dataclass(frozen=True, slots=True)
class Listed:
    """A phone that the PBX lists. `realm`: the domain in which its number is unique."""

    number: str
    realm: str = ""
    name: str = ""

    @property
    def full(self) -> str:
        """The number with its realm, which is unique across tenants."""
        return f"{self.number}@{self.realm}" if self.realm else self.number


@dataclass(frozen=True)
class Refusal:
    """The PBX's reply instead of a list. `is_unknown`: it has no such list, or not yet."""

    words: str
    is_unknown: bool = False


@dataclass(frozen=True)
class Listing:
    """The combined result of all lists."""

    listed: tuple[Listed, ...]
    #: By the name of the list.
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    #: True if the PBX refused all lists.
    is_refused: bool = False
    #: Number of entries beyond MAX_LISTED.
    left_out: int = 0

    @property
    def is_whole(self) -> bool:
        """True if an extension that is not listed does not exist on the PBX."""
        is_partial = any(not refusal.is_unknown for refusal in self.refusals.values())
        return not (self.is_refused or self.left_out or is_partial)

    @property
    def may_be_early(self) -> bool:
        """True if it is empty, and not only for missing permissions: modules may be loading."""
        refusals = self.refusals.values()
        is_denied = self.is_refused and not any(one.is_unknown for one in refusals)
        return not self.listed and not is_denied


class ListCollector:
    """Collects lists that arrive in parts and in parallel."""

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._refusals: dict[str, Refusal] = {}
        self._asked = 0
        self._found: dict[tuple[str, str], str] = {}
        self._left_out = 0

    @property
    def is_waiting(self) -> bool:
        """True if a requested list has not ended yet."""
        return bool(self._waiting)

    @property
    def numbers(self) -> frozenset[str]:
        """The numbers collected so far."""
        return frozenset(number for number, _ in self._found)

    def begin(self, lists: Iterable[str]) -> None:
        """Start collecting these lists; discard earlier entries."""
        self._waiting = set(lists)
        self._asked = len(self._waiting)
        self._refusals, self._found, self._left_out = {}, {}, 0

    def add(self, one: Listed) -> None:
        """Add an entry, unless there are too many."""
        key = (one.number, one.realm)
        if not self._waiting or not one.number or len(one.full) > MAX_NUMBER_LENGTH:
            return
        if key not in self._found and len(self._found) >= MAX_LISTED:
            self._left_out += 1
        else:
            self._found[key] = self._found.get(key) or one.name

    def end(self, name: str, refusal: str = "", *, is_unknown: bool = False) -> None:
        """Note the end of a list, or the PBX's refusal. `is_unknown`: the PBX has no such list."""
        if name in self._waiting:
            self._waiting.remove(name)
            if refusal:
                self._refusals[name] = Refusal(refusal, is_unknown)

    def take(self) -> Listing | None:
        """Return the result once, as soon as all lists have ended; else None."""
        if self._waiting or not self._asked:
            return None
        is_refused = len(self._refusals) == self._asked
        listed = tuple(Listed(*key, name) for key, name in self._found.items())
        listing = Listing(listed, self._refusals, is_refused, self._left_out)
        self.begin(())
        return listing
