"""The WSGI entry; run as a program, it starts everything on this machine."""

from callevents import create_app

app = create_app()
