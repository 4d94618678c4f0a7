"""Where attacks take place: the running product beside its load."""

import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.hostile.load import EXTENSION
from tests.hostile.load_process import LoadProcess
from tests.hostile.product import Product
from tests.hostile.visitors import warm_up

#: Time of the load without attacks, before each group and for comparison.
QUIET_SECONDS = 3.0
SHORT_QUIET_SECONDS = 0.5
#: Of the product in the short form, which must not wait for the real ones.
SHORT_DEADLINES = {"head_timeout_seconds": "2", "body_timeout_seconds": "3"}


class Case(NamedTuple):
    """One variation of an attack; without a complaint it held."""

    name: str
    complaint: str = ""


class Arena:
    """The running product, its load, and the choices of this run."""

    def __init__(self, folder: Path, seed: int, *, is_short: bool) -> None:
        self.seed = seed
        self.is_short = is_short
        with contextlib.ExitStack() as stack:
            self._start(folder, stack)
            # What has started is stopped at the end, or now if something did not start.
            self._stack = stack.pop_all()
        self.memory_mb = self.product.memory_mb()
        self.descriptors = self.product.count_descriptors()

    def _start(self, folder: Path, stack: contextlib.ExitStack) -> None:
        settings = SHORT_DEADLINES if self.is_short else {}
        self.product = stack.enter_context(contextlib.closing(Product(folder, **settings)))
        self.load = LoadProcess(self.product.port, self.product.office_token)
        stack.callback(self.load.close)
        hook = ("hooks", "set", "office", "*", "dial-in", "--url", self.load.url)
        self.product.commands.run("extensions", "add", "office", EXTENSION)
        self.product.commands.run(*hook)
        warm_up(self.product)
        self.load.start()
        time.sleep(SHORT_QUIET_SECONDS)

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()

    def take_quiet(self) -> list[float]:
        """Return the seconds that each report takes now, without attacks."""
        self.load.take()
        time.sleep(SHORT_QUIET_SECONDS if self.is_short else QUIET_SECONDS)
        return self.load.take().seconds

    def dice(self, name: str) -> random.Random:
        """Return the random choices of an attack: the same ones for the same seed."""
        return random.Random(f"{self.seed} {name}")

    def scale(self, full: int, short: int) -> int:
        """Return a number for this form of the run."""
        return short if self.is_short else full


#: Yields its variations. Its name is the attack's; its docstring says what it would break.
Attack = Callable[[Arena], Iterator[Case]]


@contextlib.contextmanager
def open_arena(seed: int, *, is_short: bool) -> Iterator[Arena]:
    """Start the product and its load in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="callevents-hostile-") as folder:
        arena = Arena(Path(folder), seed, is_short=is_short)
        try:
            yield arena
        finally:
            arena.close()
