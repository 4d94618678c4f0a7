"""`make bench ARGS=indexes`."""

import pytest

from callevents.db.models import CallEvent, Delivery
from tests.bench.running import run_bench


@pytest.mark.postgresql
def test_each_index_is_needed() -> None:
    """Each index has a query, which is planned with it and without it, on both databases."""
    tables = run_bench("indexes", "--rows", "3000")
    assert len(tables) == 2
    names = {index.name for model in (CallEvent, Delivery) for index in model.__table__.indexes}
    for table in tables:
        assert set(table.column("index")) == names | {"-"}
        for index, plan, other in zip(
            *(table.column(name) for name in ("index", "plan", "plan without it")), strict=True
        ):
            assert plan
            assert index == "-" or index not in other
