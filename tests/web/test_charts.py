"""Charts: geometry that stays within its frame, whatever the values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.web.charts import HEIGHT, STEP, plot, round_up, stack
from callevents.web.template_filters import duration, percent


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=9))
def test_columns_stand_on_each_other_within_the_frame(columns: list[tuple[int, int]]) -> None:
    """Every bar is within the frame, and a column's bars end where the next one begins."""
    chart = stack({"a": [a for a, _ in columns], "b": [b for _, b in columns]})
    assert chart.width == len(columns) * STEP
    assert chart.marks[0] >= max(map(sum, columns))
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= chart.width
        assert -0.01 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.02
    assert len(chart.bars) == sum(bool(value) for column in columns for value in column)


@given(st.lists(st.none() | st.floats(0, 10**9), min_size=1, max_size=9))
def test_lines_stay_within_the_frame_and_break_at_gaps(
    values: list[float | None],
) -> None:
    """Every point is within the frame; a gap in the values is a gap in the line."""
    chart = plot({"p50": values})
    points = [point.split(",") for piece in chart.lines[0].pieces for point in piece.split()]
    assert len(points) == 2 * sum(value is not None for value in values)
    for x, y in points:
        assert 0 <= float(x) <= chart.width
        assert -0.01 <= float(y) <= HEIGHT + 0.01
    assert len(chart.marks) >= 2
    assert (chart.grid[0], chart.grid[-1]) == (0, HEIGHT)


def test_gap_breaks_the_line() -> None:
    """Two runs of values are two pieces."""
    assert len(plot({"p50": [10, 20, None, 30]}).lines[0].pieces) == 2


@pytest.mark.parametrize(
    ("value", "rounded"), [(0, 2), (2, 2), (3, 4), (5, 5), (7, 10), (11, 20), (45, 50), (401, 500)]
)
def test_round_up(value: int, rounded: int) -> None:
    """The mark at the top is a round number."""
    assert round_up(value) == rounded


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.4, "0.4 ms"),
        (38.2, "38 ms"),
        (999.7, "1 s"),
        (1234, "1.2 s"),
        (59_400, "59 s"),
        (90_000, "1.5 min"),
        (3_600_000, "1 h"),
        (86_400_000, "24 h"),
    ],
)
def test_durations_for_people(milliseconds: float, text: str) -> None:
    """A duration has two digits and a unit."""
    assert duration(milliseconds) == text


def test_only_all_is_a_hundred_per_cent() -> None:
    """A share is rounded down: one failure in a million is not a hundred per cent."""
    assert percent(1) == "100 %"
    assert percent(0.999999) == "99.9 %"
    assert percent(0) == "0.0 %"
