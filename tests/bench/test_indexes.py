"""`make bench ARGS=indexes`."""

import pytest

from callevents.db.models import CallEvent, Delivery
from callevents.extensions import Base
from tests.bench.running import run_bench


@pytest.mark.postgresql
def test_each_index_is_needed() -> None:
    """Each index has a query, which is planned with it and without it, on both databases."""
    printed = run_bench("indexes", "--rows", "3000")
    assert len(printed) == 2
    measured = [Base.metadata.tables[model.__tablename__] for model in (CallEvent, Delivery)]
    names = {index.name for table in measured for index in table.indexes}
    for one in printed:
        assert set(one.column("index")) == names | {"-"}
        for index, plan, other in zip(
            *(one.column(name) for name in ("index", "plan", "plan without it")), strict=True
        ):
            assert plan
            assert index == "-" or index not in other
