"""Fixtures that run commands."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from callevents.extensions import db

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    """Runs a command."""

    def run(*arguments: str, **options: Any) -> Result:
        db.session.commit()
        result = app.test_cli_runner().invoke(args=list(arguments), **options)
        db.session.rollback()
        return result

    return run


@pytest.fixture
def answer(run: Run) -> Callable[..., Any]:
    """Runs a command that must succeed, with --json; returns what it prints."""

    def answer(*arguments: str, **options: Any) -> Any:
        result = run(*arguments, "--json", **options)
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)

    return answer
