"""WSGI entry point. Run as a script, it starts everything on this machine."""

# ruff: noqa: E402  # the garbage collector is off meanwhile

import gc
import sys

# Modules leave no garbage, and looking for it took a tenth of each start.
gc.disable()

import click
from flask.cli import load_dotenv

from callevents import create_app
from callevents.config import PREFIX, SettingsError, load_settings
from callevents.processes.supervisor import supervisor

gc.enable()

try:
    if __name__ == "__main__":
        # The `flask` command does the same.
        load_dotenv()
        sys.exit(supervisor.run(load_settings(), create_app))
    app = create_app()
except SettingsError as error:
    click.echo(str(error), err=True)
    sys.exit(2)
except OSError as error:
    click.echo(
        f"Call Events cannot start: {error.strerror}: {error.filename}. "
        f"Set the data folder with {PREFIX}DATA_DIR.",
        err=True,
    )
    sys.exit(2)
