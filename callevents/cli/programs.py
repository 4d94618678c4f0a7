"""The commands that run the product: each process alone, or everything."""

import click
from flask import current_app
from flask.cli import with_appcontext

from callevents import listener, server, supervisor, worker
from callevents.cli.answers import find_settings
from callevents.extensions import app_state


@click.command("web")
@with_appcontext
def web() -> None:
    """Run the web server: the pages and the ingest route."""
    server.serve(find_settings(), app_state().make_app)


@click.command("worker")
@with_appcontext
def work() -> None:
    """Run a worker, which makes the requests."""
    raise SystemExit(worker.run(current_app._get_current_object()))  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy's documented way to the application


@click.command("listen")
@with_appcontext
def listen() -> None:
    """Run a listener, which follows PBXs that have a connector."""
    raise SystemExit(listener.run(current_app._get_current_object()))  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy's documented way to the application


@click.command("up")
@with_appcontext
def up() -> None:
    """Run everything on this machine; what make run does."""
    raise SystemExit(supervisor.run(find_settings(), app_state().make_app))
