"""Node-RED: an HTTP node, a request node, a response node."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from bench.systems.base import System

#: In the Python environment, so that nothing else on the machine is changed.
HOME = Path(sys.prefix) / "node-red"
PROGRAM = HOME / "node_modules" / "node-red" / "red.js"
PACKAGE = "node-red@4"


class NodeRed(System):
    """A flow that sends the request before it responds to the report; it stores nothing."""

    title = "Node-RED 4"
    keeps = "nothing"

    @classmethod
    def why_not(cls) -> str:
        """Install it if necessary; return why that fails, empty if it is installed."""
        if PROGRAM.exists():
            return ""
        node, npm = shutil.which("node"), shutil.which("npm")
        if not (node and npm):
            return "node and npm are not installed"
        HOME.mkdir(exist_ok=True)
        options = ["--no-audit", "--no-fund", "--omit=optional", "--loglevel=error"]
        done = subprocess.run(
            [npm, "install", *options, PACKAGE],
            cwd=HOME,
            capture_output=True,
            text=True,
            check=False,
        )
        return "" if PROGRAM.exists() else f"npm could not install it: {done.stderr.strip()[-200:]}"

    def start(self) -> None:
        """Write its settings and flow, and start it."""
        settings = {"uiPort": self.port, "uiHost": "127.0.0.1", "flowFile": "flow.json"}
        settings |= {"httpAdminRoot": False, "disableEditor": True, "credentialSecret": False}
        text = f"module.exports = {json.dumps(settings)}\n"
        (self.folder / "settings.js").write_text(text)
        (self.folder / "flow.json").write_text(json.dumps(self._flow()))
        node = shutil.which("node") or "node"
        self.run(node, str(PROGRAM), "--userDir", str(self.folder))
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
