"""A simulated Node-RED: the flow docs/recipes/node-red-flow.json, behind httpNodeAuth.

From node-red/node-red: packages/node_modules/node-red/red.js (basicAuthMiddleware), and
packages/node_modules/@node-red/nodes/core/network/21-httpin.js: Express has a route for the method
and the path, and the node answers 500 if the body cannot be parsed. The flow answers 204.
"""

from typing import ClassVar

from tests.recipes.simulated.base import TEXT, Refused, read_basic, read_json
from tests.recipes.simulated.webhooks import Webhook
from tests.support.receiver import Arrival, Reply

USERNAME, PASSWORD = "call-events", "pässword of the flow"
HTML = "text/html; charset=utf-8"


class NodeRed(Webhook):
    """Runs the flow."""

    answers: ClassVar = {"address": "URL", "username": USERNAME, "password": PASSWORD}
    accepted: ClassVar = Reply(204, body=b"")

    def answer(self, arrival: Arrival) -> Reply:
        """Pass the body to the flow."""
        if read_basic(arrival) != (USERNAME, PASSWORD):
            raise Refused(401, "Unauthorized", TEXT)
        if (arrival.method, arrival.path) != ("POST", "/call-events"):
            raise Refused(404, f"<pre>Cannot {arrival.method} {arrival.path}</pre>", HTML)
        return self.accept(read_json(arrival, _refuse))


def _refuse(problem: str) -> Refused:
    return Refused(500, "Internal Server Error", TEXT, problem)
