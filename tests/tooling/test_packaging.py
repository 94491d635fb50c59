"""The package that is installed holds everything that the source tree does."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return what is in the wheel. It is built from a copy: building leaves its traces in the tree."""
    tree = tmp_path_factory.mktemp("tree")
    unwanted = shutil.ignore_patterns("__pycache__")
    for folder in ("hub", "agent", "proto"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=unwanted)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(tree / "out"), str(tree)], check=True, cwd=tree)
    (wheel,) = (tree / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "start"), [("hub", "."), ("agent", "."), ("proto/escadre", "proto")])
def test_every_file_is_packed(names: set[str], folder: str, start: str) -> None:
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    wanted = {str(path.relative_to(ROOT / start)) for path in files if path.suffix != ".proto"}
    assert wanted <= names, sorted(wanted - names)


@pytest.mark.slow
def test_nothing_else_is_packed(names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"hub", "agent", "escadre"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
