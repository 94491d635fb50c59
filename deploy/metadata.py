"""Writes what an installed package says of itself, for an image that holds the code without having installed it.

    python deploy/metadata.py pyproject.toml /opt/escadre

The program escadre finds the commands of `escadre admin` by it.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def main(pyproject: Path, folder: Path) -> None:
    """Write `escadre-<version>.dist-info` below the folder, from the project's own description."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    info = folder / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
