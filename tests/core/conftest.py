"""What the tests of the core share."""

from collections.abc import Iterator

import pytest
from flask import Flask

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import pbxs
from tests.core.logged import Logged, capture_log


@pytest.fixture
def logged(app: Flask) -> Iterator[Logged]:
    """What is logged during the test."""
    with capture_log() as logged:
        yield logged


@pytest.fixture
def other_pbx(app: Flask) -> Pbx:
    """Another PBX, named 'Branch'."""
    begin_write()
    other, _ = pbxs.add_pbx("Branch")
    db.session.commit()
    return other
