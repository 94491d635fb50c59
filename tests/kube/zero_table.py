"""Writes the table of fields that the API server does not give back when they are false, 0 or "".

    python -m tests.kube.zero_table        # reads Go's module cache, and rewrites agent/kube/simulated/zeros.json

What a server publishes of its types does not tell them from fields that keep a zero (`replicas: 0`); their Go types
do: a field that is left out when empty, and is no pointer.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from tests.controlplane.pins import MODULES

_SOURCES = {
    "k8s.io/api": ("", ("admissionregistration apps authentication authorization autoscaling batch certificates "
                        "coordination core discovery events flowcontrol networking node policy rbac resource "
                        "scheduling storage")),
    "k8s.io/apiextensions-apiserver": ("pkg/apis/", "apiextensions"),
    "k8s.io/kube-aggregator": ("pkg/apis/", "apiregistration"),
    "k8s.io/apimachinery": ("pkg/apis/", "meta"),
}  # fmt: skip
_SCALARS = frozenset({"bool", "string", "int", "int32", "int64", "float64", "types.UID", "UID", "uint32", "uint64"})
_STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}$", re.MULTILINE | re.DOTALL)
_ALIAS = re.compile(r"^type (\w+) (\w+)$", re.MULTILINE)
_GROUPED = re.compile(r"^\t(\w+) (string|bool|int32|int64)$", re.MULTILINE)
_FIELD = re.compile(r'^\t\w+\s+(\S+)\s+`[^`]*json:"(\w+)((?:,\w+)*)"', re.MULTILINE)


def build() -> dict[str, list[str]]:
    """Return the names of such fields by type, named as types.json names them. Raises FileNotFoundError."""
    texts = {name: path.read_text() for name, path in _files()}
    aliases = {name: kind for text in texts.values() for pattern in (_ALIAS, _GROUPED)
               for name, kind in pattern.findall(text)}  # fmt: skip
    table: dict[str, list[str]] = {}
    for package, text in texts.items():
        for struct, body in _STRUCT.findall(text):
            fields = sorted(name for kind, name, options in _FIELD.findall(body)
                            if ",omitempty" in options and _is_scalar(kind, aliases))  # fmt: skip
            if fields:
                table.setdefault(f"{package.partition('#')[0]}.{struct}", []).extend(fields)
    return dict(sorted(table.items()))


def _is_scalar(kind: str, aliases: dict[str, str]) -> bool:
    while kind not in _SCALARS:
        name = kind.rpartition(".")[2]
        if kind.startswith(("*", "[", "map")) or name not in aliases:
            return False
        kind = aliases[name]
    return True


def _files() -> Iterator[tuple[str, Path]]:
    for module, (folder, groups) in _SOURCES.items():
        root = Path(_directory(module))
        for group in groups.split():
            for version in ("v1", "v2"):
                for path in sorted((root / folder / group / version).glob("*types*.go")):
                    yield f"{group}.{version}#{path.name}", path


def _directory(module: str) -> str:
    command = ["go", "list", "-m", "-f", "{{.Dir}}", module]
    return subprocess.run(
        command, cwd=MODULES / "kubernetes", check=True, capture_output=True, text=True
    ).stdout.strip()


def render(table: dict[str, list[str]]) -> str:
    """Return the table as it is committed, a type a line."""
    lines = (f"  {json.dumps(name)}: {json.dumps(fields)}" for name, fields in table.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    known = json.loads(files("agent.kube.simulated").joinpath("types.json").read_text())["types"]
    table = {name: fields for name, fields in build().items() if name in known}
    Path(str(files("agent.kube.simulated").joinpath("zeros.json"))).write_text(render(table))


if __name__ == "__main__":
    main()
