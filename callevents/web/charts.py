"""Geometry of charts, which templates draw as SVG without script or style.

A chart is 100 units high and STEP units wide for each value; the page stretches it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

STEP = 10
HEIGHT = 100
#: Space at each side of a bar.
GAP = 1


@dataclass(frozen=True)
class Bar:
    """A segment of a column; `x` and `y` are its top left corner."""

    kind: str
    x: float
    y: float
    height: float
    width: float = STEP - 2 * GAP


@dataclass(frozen=True)
class Line:
    """A series as pieces of a line, which has gaps where values are missing."""

    kind: str
    pieces: Sequence[str]


@dataclass(frozen=True)
class Chart:
    """A chart. `marks` are the labels of the axis, evenly spaced, from the top down."""

    width: int
    marks: Sequence[float]
    bars: Sequence[Bar] = ()
    lines: Sequence[Line] = ()

    @property
    def grid(self) -> Sequence[float]:
        """The y positions of the marks."""
        gaps = max(len(self.marks) - 1, 1)
        return [round(HEIGHT * number / gaps, 2) for number in range(len(self.marks))]


def stack(series: dict[str, Sequence[int]]) -> Chart:
    """Return stacked columns, with the first series at the bottom."""
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
    """Return the series as lines with a logarithmic axis."""
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
    """Round up to 1, 2, 4, 5 or 10 times a power of ten, at least 2."""
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
        # A horizontal piece for each value, so that a single value is visible too.
        pieces[-1] += [f"{x + GAP},{y}", f"{x + STEP - GAP},{y}"]
    return [" ".join(points) for points in pieces if points]
