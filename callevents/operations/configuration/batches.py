"""Values in batches: databases limit how many a statement can have."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

BATCH_SIZE = 1000

T = TypeVar("T")


def batches_of(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the values in lists of up to BATCH_SIZE."""
    left = iter(values)
    while batch := list(islice(left, BATCH_SIZE)):
        yield batch
