"""Commands that run a process, or everything."""

from collections.abc import Callable
from functools import wraps

import click
from flask import current_app
from flask.cli import with_appcontext

from callevents.cli.output import get_settings
from callevents.db import schema
from callevents.extensions import app_state
from callevents.jobs.rq_queue import warn_of_open_redis
from callevents.processes.listener import run
from callevents.processes.supervisor import supervisor
from callevents.processes.web_server import server
from callevents.processes.worker import run as worker_run

Command = Callable[[], None]


def _checked(command: Command) -> Command:
    """Refuse to start on a development version's database; warn of a Redis without password."""

    @wraps(command)
    def check_and_run() -> None:
        try:
            schema.check_released(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy's documented way to the application
        except schema.DatabaseError as error:
            raise click.ClickException(str(error)) from None
        warn_of_open_redis(get_settings())
        command()

    return check_and_run


@click.command("web")
@with_appcontext
@_checked
def web() -> None:
    """Run the web server: pages and API."""
    server.serve(get_settings(), app_state().make_app)


@click.command("worker")
@with_appcontext
@_checked
def work() -> None:
    """Run a worker, which sends the requests."""
    raise SystemExit(worker_run.run(current_app._get_current_object()))  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy's documented way to the application


@click.command("listen")
@with_appcontext
@_checked
def listen() -> None:
    """Run a listener, which reads PBX event streams."""
    raise SystemExit(run.run(current_app._get_current_object()))  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy's documented way to the application


@click.command("up")
@with_appcontext
def up() -> None:
    """Run everything on this machine, as `make run` does."""
    raise SystemExit(supervisor.run(get_settings(), app_state().make_app))
