"""The WSGI entry; run as a program, it starts everything on this machine."""

import sys

import click
from flask.cli import load_dotenv

from callevents import create_app, supervisor
from callevents.config import SettingsError, load_settings

try:
    if __name__ == "__main__":
        # As the `flask` command does.
        load_dotenv()
        sys.exit(supervisor.run(load_settings()))
    app = create_app()
except (SettingsError, OSError) as error:
    # Wrong settings, or a data folder that cannot be used; both say what to change.
    click.echo(str(error), err=True)
    sys.exit(2)
