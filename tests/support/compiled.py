"""Compiles templates, routes and statements once for all tests, which halves their time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask_sqlalchemy import SQLAlchemy
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Engine
from werkzeug.routing import Rule


class Templates(BytecodeCache):
    """Keeps compiled templates in memory; one whose text has changed is compiled again."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load the bytecode if the template was compiled before."""
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Store the bytecode."""
        self._kept[bucket.key] = bucket.bytecode_to_string()


@contextmanager
def routes_compiled_once() -> Iterator[None]:
    """Let equal routes of all applications share what is made of their addresses."""
    kept: dict[str, dict[str, Any]] = {}
    compile_rule = Rule.compile

    def values(rule: Rule) -> dict[str, Any]:
        # Without the application's map of routes.
        return {name: value for name, value in vars(rule).items() if name != "map"}

    def compile_once(rule: Rule) -> None:
        key = repr(values(rule))
        if key not in kept:
            compile_rule(rule)
            kept[key] = values(rule)
        vars(rule).update(kept[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "compile", compile_once)
        yield


@contextmanager
def statements_compiled_once() -> Iterator[None]:
    """Let the engines of all applications share compiled statements."""
    kept: dict[tuple[str, str], Engine] = {}
    make_engine = SQLAlchemy._make_engine

    def make_sharing(extension: SQLAlchemy, *arguments: Any) -> Engine:
        made = make_engine(extension, *arguments)
        first = kept.setdefault((made.dialect.name, made.dialect.driver), made)
        # The cache is per dialect object, and a dialect knows its server only after connecting.
        if first is not made and getattr(first.dialect, "server_version_info", None):
            made.dialect, made._compiled_cache = first.dialect, first._compiled_cache
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLAlchemy, "_make_engine", make_sharing)
        yield
