"""Argon2 hashes: bounded in number, and one lane for known devices."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from callevents.errors import BusyError
from callevents.users import hashing
from callevents.users.hashing import hash_password, matches
from tests.support.waiting import wait_until


class HeldHasher(PasswordHasher):
    """Computes no hash before it is released; counts how many run at once."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.released = threading.Event()
        self.running = self.most = 0
        self._lock = threading.Lock()

    def hash(self, *args: object, **options: object) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.released.wait()
        with self._lock:
            self.running -= 1
        return super().hash(*args, **options)  # type: ignore[arg-type]  # passed through


class Crowd:
    """Threads that hash passwords at the same time."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []

    def add(self, count: int, *, is_known: bool) -> None:
        """Start threads that hash."""
        for _ in range(count):
            thread = threading.Thread(target=self._hash, args=(is_known,))
            self._threads.append(thread)
            thread.start()

    def _hash(self, is_known: bool) -> None:
        try:
            hash_password("some password", is_known=is_known)
            self.results["hashed"] += 1
        except BusyError as error:
            self.results[str(error)] += 1

    def join(self) -> None:
        """Wait for the threads."""
        for thread in self._threads:
            thread.join()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldHasher]:
    """A hasher that is released at the latest at the end."""
    hasher = HeldHasher()
    monkeypatch.setattr(hashing, "_hasher", hasher)
    yield hasher
    hasher.released.set()


BUSY = "Too many people are signing in at the same time. Try again in 1 second."


def test_flood_of_strangers(held: HeldHasher) -> None:
    """Of 24 strangers three are served, one at a time, and the others are told to come back."""
    crowd = Crowd()
    crowd.add(24, is_known=False)
    wait_until(lambda: crowd.results[BUSY] == 21, "21 refusals")
    wait_until(lambda: held.running, "the first one's turn")
    assert held.running == 1
    crowd.add(1, is_known=True)
    wait_until(lambda: held.running == 2, "the known device's turn")
    held.released.set()
    crowd.join()
    assert crowd.results == {BUSY: 21, "hashed": 4}


def test_at_most_two_at_a_time(held: HeldHasher) -> None:
    """With both lanes full, two computations run; afterwards all places are free again."""
    crowd = Crowd()
    for is_known in (True, False):
        crowd.add(4, is_known=is_known)
    wait_until(lambda: crowd.results[BUSY] == 2, "a refusal in each lane")
    wait_until(lambda: held.running == 2, "one that runs in each lane")
    held.released.set()
    crowd.join()
    assert held.most == 2
    assert crowd.results == {BUSY: 2, "hashed": 6}
    for _ in range(6):
        hash_password("some password")


def test_a_failed_computation_frees_its_place() -> None:
    """Malformed hashes and texts that are no UTF-8 do not use up the places."""
    for _ in range(20):
        assert not matches("nonsense", "some password")
        assert not matches(None, "\ud800")
        with pytest.raises(UnicodeError):
            hash_password("\ud800")


@pytest.mark.slow
def test_real_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of tests a hash has argon2-cffi's parameters."""
    monkeypatch.setattr(hashing, "_hasher", PasswordHasher())
    stored = hash_password("correct horse")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert matches(stored, "correct horse")
    assert not matches(stored, "correct horses")
