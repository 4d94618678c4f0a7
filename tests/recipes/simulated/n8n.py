"""A simulated n8n: the Webhook node of a workflow that was published.

From docs.n8n.io/integrations/builtin/core-nodes/n8n-nodes-base.webhook (two URLs, one method), and
n8n-io/n8n: packages/cli/src/errors/response-errors/webhook-not-found.error.ts and
packages/cli/src/middlewares/body-parser.ts.
"""

from typing import ClassVar

from tests.recipes.simulated.base import Refused, as_json, read_json
from tests.recipes.simulated.webhooks import Webhook
from tests.support.receiver import Arrival, Reply

PATH = "3f1c0f7e-8a53-4f6b-9d0a-1c2b3d4e5f60"
HINT = "The workflow must be active for a production URL to run successfully."


class N8n(Webhook):
    """Runs a workflow that has a Webhook node with the method POST."""

    answers: ClassVar = {"url": f"URL/webhook/{PATH}"}
    accepted: ClassVar = as_json({"message": "Workflow was started"})

    def __init__(self) -> None:
        super().__init__()
        #: False: the workflow is not published.
        self.is_active = True

    def answer(self, arrival: Arrival) -> Reply:
        """Start the workflow."""
        path = arrival.path.removeprefix("/webhook/")
        if path != PATH or not self.is_active:
            message = f'The requested webhook "{arrival.method} {path}" is not registered.'
            raise Refused(404, {"code": 404, "message": message, "hint": HINT})
        if arrival.method != "POST":
            message = (
                f"This webhook is not registered for {arrival.method} requests. "
                "Did you mean to make a POST request?"
            )
            raise Refused(404, {"code": 404, "message": message})
        return self.accept(read_json(arrival, _refuse))


def _refuse(hint: str) -> Refused:
    return Refused(422, {"code": 422, "message": "Failed to parse request body", "hint": hint})
