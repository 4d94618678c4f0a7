"""The locked requirements: what `make run` installs is one version of each package, by its hash."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKED = re.compile(r"^([\w.-]+)(?:\[.*\])?==(\S+)", re.MULTILINE)


def locked(name: str) -> dict[str, str]:
    """Return the version of each package in a file."""
    found = LOCKED.findall((ROOT / name).read_text())
    return {canonicalize_name(package): version for package, version in found}


def wanted(name: str) -> Iterator[Requirement]:
    """Yield the requirements that a file has ranges for, and those of files that it includes."""
    for line in (ROOT / name).read_text().splitlines():
        if line.startswith("-r "):
            yield from wanted(line[3:])
        elif line and not line.startswith("#"):
            yield Requirement(line)


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_package_has_hashes_and_nothing_else_is_in_the_file(name: str) -> None:
    """Each line is a comment, one exact version, or the hash of a file: no index, no URL."""
    text = (ROOT / f"{name}.txt").read_text()
    assert len(LOCKED.findall(text)) > 20
    comments = r"#.*\n"
    one_hash = r" *--hash=sha256:[0-9a-f]{64}"
    marker = r"(?: ; [\w.'<>=! ()]+)?"
    assert re.fullmatch(
        rf"(?:{comments}|[\w.\-\[\]]+==[\w.!+]+{marker} \\\n(?:{one_hash} \\\n)*{one_hash}\n)+",
        text,
    )


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_locked_versions_fit(name: str) -> None:
    """Each requirement has a locked version within its range."""
    versions = locked(f"{name}.txt")
    for requirement in wanted(f"{name}.in"):
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_tests_run_with_what_users_get() -> None:
    """The packages of the product have the same versions for checks and tests."""
    product, development = locked("requirements.txt"), locked("requirements-dev.txt")
    assert product.items() <= development.items()


def test_sbom_names_all_locked_packages(tmp_path: Path) -> None:
    """`make sbom` lists each locked package with its version and the hashes of its files."""
    [recipe] = re.findall(
        r"cyclonedx-py (requirements .*) sbom\.cdx\.json$", _makefile(), re.MULTILINE
    )
    path = tmp_path / "sbom.cdx.json"
    command = [str(Path(sys.executable).parent / "cyclonedx-py"), *recipe.split(), str(path)]
    subprocess.run(command, cwd=ROOT, check=True)
    document = json.loads(path.read_text())
    assert document["bomFormat"] == "CycloneDX"
    components = document["components"]
    named = {canonicalize_name(one["name"]): one["version"] for one in components}
    assert named == locked("requirements.txt")
    assert all(one["externalReferences"][0]["hashes"] for one in components)


def test_make_installs_by_hash() -> None:
    """`make run` and the checks refuse a file whose hash is not in the list."""
    installed = re.findall(r"\$\(PIP\) install .*--requirement (\S+)", _makefile())
    by_hash = re.findall(r"\$\(PIP\) install .*--require-hashes --requirement (\S+)", _makefile())
    assert set(installed) - set(by_hash) == {"requirements-bench.txt"}


def _makefile() -> str:
    return (ROOT / "Makefile").read_text()
