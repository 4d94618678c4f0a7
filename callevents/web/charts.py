"""Charts as plain geometry, which templates draw as SVG without script or style.

A chart is 100 units high and STEP units wide for each of its values; the page stretches it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

STEP = 10
HEIGHT = 100
#: Bars leave this much free at each side.
GAP = 1


@dataclass(frozen=True)
class Bar:
    """A part of a column, from its top left corner."""

    kind: str
    x: float
    y: float
    height: float
    width: float = STEP - 2 * GAP


@dataclass(frozen=True)
class Line:
    """A series of values as pieces of a line: it breaks where there are no values."""

    kind: str
    pieces: Sequence[str]


@dataclass(frozen=True)
class Chart:
    """What is drawn. `marks`: the values at the left, from the top down, evenly spaced."""

    width: int
    marks: Sequence[float]
    bars: Sequence[Bar] = ()
    lines: Sequence[Line] = ()

    @property
    def grid(self) -> Sequence[float]:
        """The heights at which the marks are."""
        gaps = max(len(self.marks) - 1, 1)
        return [round(HEIGHT * number / gaps, 2) for number in range(len(self.marks))]


def stack(series: dict[str, Sequence[int]]) -> Chart:
    """Return columns of the series on top of each other, the first one at the bottom."""
    columns = list(zip(*series.values(), strict=True))
    top = round_up(max(map(sum, columns), default=0))
    bars = []
    for number, column in enumerate(columns):
        y = float(HEIGHT)
        for kind, value in zip(series, column, strict=True):
            if value:
                height = value / top * HEIGHT
                y -= height
                bars.append(Bar(kind, number * STEP + GAP, round(y, 2), round(height, 2)))
    return Chart(len(columns) * STEP, [top, top / 2, 0], bars=bars)


def plot(series: dict[str, Sequence[float | None]]) -> Chart:
    """Return the series as lines over powers of ten."""
    values = [value for one in series.values() for value in one if value is not None]
    low = floor(log10(max(min(values, default=10), 1)))
    high = max(ceil(log10(max(values, default=1000) or 1)), low + 1)

    def height(value: float) -> float:
        return round(HEIGHT * (high - log10(max(value, 10**low))) / (high - low), 2)

    lines = [Line(kind, _pieces(one, height)) for kind, one in series.items()]
    count = max(map(len, series.values()), default=0)
    marks = [10.0**power for power in range(high, low - 1, -1)]
    return Chart(count * STEP, marks, lines=lines)


def round_up(value: float) -> int:
    """Return the next number such as 2, 4, 10, 20 or 50 that is not smaller, at least two."""
    if value <= 2:
        return 2
    power = 10 ** floor(log10(value))
    return next(int(step * power) for step in (1, 2, 4, 5, 10) if step * power >= value)


def _pieces(values: Sequence[float | None], height: Callable[[float], float]) -> list[str]:
    pieces: list[list[str]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            pieces.append([])
            continue
        x, y = number * STEP, height(value)
        # From one side of its step to the other, so that a single value can be seen as well.
        pieces[-1] += [f"{x + GAP},{y}", f"{x + STEP - GAP},{y}"]
    return [" ".join(points) for points in pieces if points]
