"""What is committed: complete, of one mind about versions, and about the product only."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import agent
import hub
from tests.docs.pages import ROOT

THIS = Path(__file__).resolve()
LICENSE_DIGEST = "0ffddef9e48f8a09aed5caf2d44f7ba1c1be2d9b8e0a6f693b1635b2d5566645"
"""Of the Apache License 2.0 as published, line ends aside."""

FOREIGN = re.compile(
    "|".join(
        (
            r"pypi\.org",
            r"pythonhosted\.org",
            r"proxy\.golang\.org",
            r"sum\.golang\.org",
            r"registry\.npmjs\.org",
            r"crates\.io",
            r"(?<![\w.$}/-])/work/",
            r"(?<![\w.$}/-])/root/",
            r"/Users/\w",
            r"(?<![\w/])/home/(?!nonroot|git\b|user\b|nobody)\w+/",
            r"\bas an AI\b",
            r"\bAI (assistant|agent|model)\b",
            r"\blanguage model\b",
            r"\b[Cc]laude\b",
            r"\bChatGPT\b",
            r"\b[Cc]opilot\b",
            r"\bin this session\b",
            r"\bprevious session\b",
        )
    )
)
"""Hosts of registries, paths of somebody's machine, and how a text came about: none of it belongs into the product."""

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_SUFFIXES = {".py", ".pyi", ".md", ".toml", ".yaml", ".yml", ".sh", ".proto", ".lock", ".in", ".cfg", ".json", ".mod"}


def committed() -> list[Path]:
    """Return every file that is or would be committed."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        return [path for name in names if name and (path := ROOT / name).is_file()]
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in ("__pycache__", "build")]
        found += [Path(folder, name) for name in names]
    return found


def texts() -> list[tuple[Path, str]]:
    special = ("Makefile", "LICENSE", ".importlinter", ".gitignore", ".dockerignore", "run")
    wanted = (p for p in committed() if p.suffix in _SUFFIXES or p.name in special or p.name.startswith("Dockerfile"))
    return [(path, path.read_text("utf-8")) for path in wanted if path.resolve() != THIS]


def pins(name: str) -> dict[str, str]:
    return {canonicalize_name(found[0]): found[1] for found in _PIN.findall((ROOT / name).read_text())}


def pyproject() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_texts_are_about_the_product_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {found[0]}"
        for path, text in texts()
        if FOREIGN.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if (found := FOREIGN.search(line))
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_left_for_later() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {found[0]}"
        for path, text in texts()
        if path.suffix in (".py", ".sh", ".proto") or path.name == "Makefile"
        for number, line in enumerate(text.splitlines(), 1)
        if (found := UNFINISHED.search(line))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    normal = " ".join(text.split())
    assert hashlib.sha256(normal.encode()).hexdigest() == LICENSE_DIGEST


def test_versions_agree() -> None:
    project = pyproject()["project"]
    assert isinstance(project, dict)
    assert project["version"] == hub.__version__ == agent.__version__


def test_ci_runs_the_readmes_test_command() -> None:
    path = ROOT / ".ci" / "run"
    assert os.access(path, os.X_OK)
    assert path.read_text().rstrip().endswith("exec make test")
    assert "```\nmake test\n```" in (ROOT / "README.md").read_text()


def requirements() -> list[Requirement]:
    """Return what pyproject.toml asks for, the development group with it."""
    content = pyproject()
    project, groups = content["project"], content["dependency-groups"]
    assert isinstance(project, dict) and isinstance(groups, dict)
    return [Requirement(text) for text in (*project["dependencies"], *groups["dev"])]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: str(requirement.name))
def test_the_lock_satisfies_what_is_asked_for(requirement: Requirement) -> None:
    locked = pins("requirements.lock").get(canonicalize_name(requirement.name))
    assert locked is not None, "run `make lock`"
    assert requirement.specifier.contains(locked, prereleases=True), f"{locked} is locked: run `make lock`"


@pytest.mark.parametrize("name", ["requirements.lock", "deploy/hub.lock", "deploy/agent.lock"])
def test_every_pin_has_hashes(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    bare = [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry]
    assert not bare


@pytest.mark.parametrize("name", ["deploy/hub.lock", "deploy/agent.lock"])
def test_images_hold_what_was_tested(name: str) -> None:
    everything = pins("requirements.lock")
    other = {package: pin for package, pin in pins(name).items() if everything.get(package) != pin}
    assert not other, "run `make lock`"


def test_supported_pythons_are_those_that_are_told() -> None:
    project = pyproject()["project"]
    assert isinstance(project, dict)
    assert SpecifierSet(str(project["requires-python"])) == SpecifierSet(">=3.11")
    assert "Python 3.11 to 3.13" in (ROOT / "README.md").read_text()
