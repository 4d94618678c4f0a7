"""Runs everything on one machine until a signal stops it."""

import os

import click

from callevents import logs
from callevents.config.settings import Settings
from callevents.errors import CallEventsError
from callevents.extensions import MakeApp
from callevents.jobs.rq_queue import warn_of_open_redis
from callevents.processes.supervisor.lock import data_dir_lock
from callevents.processes.supervisor.preparation import prepare
from callevents.processes.supervisor.processes import Processes
from callevents.processes.supervisor.signals import Signals
from callevents.processes.web_server import server


def run(settings: Settings, make_app: MakeApp) -> int:
    """Run everything; return the exit code: 0 after a signal, 1 if the start failed."""
    logs.configure(settings)
    # Files created here, such as the SQLite database, are private, whatever the folder's mode.
    os.umask(0o077)
    warn_of_open_redis(settings)
    url = server.url(settings)
    try:
        with (
            data_dir_lock(settings, url),
            server.open_socket(settings) as listener,
            Signals() as signals,
        ):
            prepare(settings, make_app)
            _run_processes(Processes(settings, make_app, listener, signals), url)
    except CallEventsError as error:
        click.echo(str(error), err=True)
        return 1
    return 0


def _run_processes(processes: Processes, url: str) -> None:
    try:
        processes.start()
        if processes.wait_until_ready():
            click.echo(f"Call Events is ready at {url}")
            processes.supervise()
            click.echo("Call Events is stopping.", err=True)
    finally:
        processes.stop()
