"""Runs everything on one machine, until a signal ends it."""

import os

import click

from callevents import logs
from callevents.config.settings import Settings
from callevents.errors import CallEventsError
from callevents.extensions import MakeApp
from callevents.processes.supervisor.lock import locked
from callevents.processes.supervisor.preparation import prepare
from callevents.processes.supervisor.processes import Processes
from callevents.processes.supervisor.signals import Signals
from callevents.processes.web_server import server


def run(settings: Settings, make_app: MakeApp) -> int:
    """Run everything; return the exit code: 0 after a signal, 1 if the start failed."""
    logs.configure(settings)
    # What is made here, such as SQLite's file, is nobody else's, in whatever folder.
    os.umask(0o077)
    url = server.url(settings)
    try:
        with locked(settings, url), server.open_socket(settings) as listener, Signals() as signals:
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
            processes.look_after()
            click.echo("Call Events is stopping.", err=True)
    finally:
        processes.stop()
