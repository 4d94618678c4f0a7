"""Node-RED: an HTTP node, a request node, a response node."""

import json

from bench.systems import node
from bench.systems.base import System


class NodeRed(System):
    """A flow that sends the request before it responds to the report; it stores nothing."""

    title = "Node-RED 5"
    keeps = "nothing"

    def start(self) -> None:
        """Write its settings and flow, and start it."""
        node.install()
        settings = {"uiPort": self.port, "uiHost": "127.0.0.1", "flowFile": "flow.json"}
        settings |= {"httpAdminRoot": False, "disableEditor": True, "credentialSecret": False}
        text = f"module.exports = {json.dumps(settings)}\n"
        (self.folder / "settings.js").write_text(text)
        (self.folder / "flow.json").write_text(json.dumps(self._flow()))
        program = node.MODULES / "node-red" / "red.js"
        self.run(node.NODE, str(program), "--userDir", str(self.folder))
        self.wait_until_ready("/ready")

    def _flow(self) -> list[dict[str, object]]:
        """Return the flow: forwards the report as a query, and returns the response."""
        request = {"method": "GET", "url": self.receiver_url, "paytoqs": "query", "persist": True}
        return [
            {"id": "flow", "type": "tab", "label": "bench"},
            _node("in", "http in", "out", url="/ingest", method="get"),
            _node("out", "http request", "back", ret="txt", **request),
            _node("ready", "http in", "back", url="/ready", method="get"),
            _node("back", "http response", "", statusCode=""),
        ]


def _node(name: str, kind: str, following: str, **values: object) -> dict[str, object]:
    wires = [[following]] if following else []
    return {"id": name, "type": kind, "z": "flow", "x": 0, "y": 0, "wires": wires, **values}
