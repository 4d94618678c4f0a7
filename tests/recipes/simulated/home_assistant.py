"""A simulated Home Assistant: the webhook of docs/recipes/home-assistant-automation.yaml.

From home-assistant/core: homeassistant/components/webhook/{__init__,trigger}.py. It answers 200 to
unknown webhook IDs and to a body that is not JSON, so that IDs cannot be guessed; 405 to a method
that the automation does not allow.
"""

from typing import ClassVar

from tests.recipes.simulated.base import TEXT, Refused, read_json
from tests.recipes.simulated.webhooks import Webhook
from tests.support.receiver import Arrival, Reply

WEBHOOK_ID = "calls-9f8e7d6c5b4a39281706"
PREFIX = "/api/webhook/"


class HomeAssistant(Webhook):
    """Runs the automation, whose trigger is in `trigger.json`."""

    answers: ClassVar = {"address": "URL", "webhook_id": WEBHOOK_ID}
    accepted: ClassVar = Reply(body=b"")

    def answer(self, arrival: Arrival) -> Reply:
        """Trigger the automation."""
        if not arrival.path.startswith(PREFIX):
            raise Refused(404, "404: Not Found", TEXT)
        if arrival.path != PREFIX + WEBHOOK_ID:
            raise _ignore("The webhook is not registered.")
        if arrival.method != "POST":
            raise Refused(405, "", TEXT)
        return self.accept(read_json(arrival, _ignore))


def _ignore(reason: str) -> Refused:
    return Refused(200, "", TEXT, reason)
