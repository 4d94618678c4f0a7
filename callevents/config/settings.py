"""All groups of settings as one."""

from callevents.config.keys import Keys
from callevents.config.notifications import Notifications
from callevents.config.outgoing import Outgoing
from callevents.config.processes import Processes
from callevents.config.retries import Retries
from callevents.config.upkeep import Upkeep


# Pydantic takes the fields of the last base first; docs/configuration.md has them in that order.
class Settings(Upkeep, Notifications, Retries, Outgoing, Processes, Keys):
    """The settings, read from environment variables named CALLEVENTS_ and the field's name."""
