"""A chart's files, put together for Helm from a repository's tree.

A worker keeps the few charts it has read last: a fleet has many applications of few charts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.domain.tree import Tree
from hub.render.errors import RenderError
from hub.render.helm_archive import IGNORE_FILE, MOST_BYTES, can_be_packed, finished, kept, pack
from hub.render.helm_random import Functions, named
from hub.render.model import MIB, File, Plan, RenderLimits

_SCHEMA = "values.schema.json"
_VALUES = "values.yaml"
_KEPT_BYTES = 16 * MIB
_Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """`packed` are its files as members of an archive; where Helm takes them from none, `files` are written out."""

    packed: bytes
    files: Mapping[str, bytes] | None = None
    functions: Functions = field(default_factory=dict)
    """What in it makes something up."""
    may_define: bool = True
    """Whether there may be custom resource definitions in it."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What Helm has told of it, for whoever asks again."""

    def archive(self, more: Mapping[str, bytes]) -> bytes:
        return finished(self.packed, pack(more.items()))

    def write(self, more: Mapping[str, bytes], directory: Path) -> Path:
        """Return the path to name to Helm, below a directory."""
        if self.files is None:
            path = directory / "chart.tgz"
            path.write_bytes(self.archive(more))
            return path
        for name, content in {**self.files, **more}.items():
            target = directory / "chart" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return directory / "chart"


class ChartShelf:
    """The charts of a process that were used last, by their files' object ids."""

    def __init__(self) -> None:
        self._charts: OrderedDict[_Key, Chart] = OrderedDict()
        self._bytes = 0

    def chart(self, plan: Plan, trees: Sequence[Tree], limits: RenderLimits, *, schema: bool) -> Chart:
        """Return the chart of a plan; without `schema`, without what its values are validated by. Raises RenderError,
        and what reading the tree raises."""
        prefix = plan.path + "/" if plan.path else ""
        files = {file.path.removeprefix(prefix): file for file in plan.files}
        if not schema:
            # Helm validates wherever there is a schema; without it there is nothing to validate.
            files = {path: file for path, file in files.items() if path.rpartition("/")[2] != _SCHEMA}
        key = tuple((path, file.object_id) for path, file in files.items())
        if (known := self._charts.get(key)) is not None:
            self._charts.move_to_end(key)
            return known
        chart = _read(files, trees, limits)
        self._keep(key, chart)
        return chart

    def _keep(self, key: _Key, chart: Chart) -> None:
        if chart.files is not None or len(chart.packed) > _KEPT_BYTES // 4:
            return
        self._charts[key] = chart
        self._bytes += len(chart.packed)
        while self._bytes > _KEPT_BYTES:
            self._bytes -= len(self._charts.popitem(last=False)[1].packed)


def _read(files: Mapping[str, File], trees: Sequence[Tree], limits: RenderLimits) -> Chart:
    def content(path: str) -> bytes:
        try:
            found = trees[files[path].tree].read(files[path].stored, limits.file_bytes)
        except ValueError as error:
            raise RenderError(
                f"{files[path].path} is larger than {limits.file_bytes:,} bytes.", code="too-large"
            ) from error
        # Some versions of Helm lose a last line that a buffer ends with.
        return found + b"\n" if path.rpartition("/")[2] == _VALUES and not found.endswith(b"\n") else found

    rules = content(IGNORE_FILE).decode(errors="replace") if IGNORE_FILE in files else ""
    # As Helm walks a directory: what is in "a" comes before "a.yaml".
    paths = sorted(kept(files, rules), key=lambda path: path.split("/"))
    if not can_be_packed(paths):
        contents = {path: content(path) for path in paths}
        return Chart(b"", contents, named(contents.items()))
    may_define = any("crds/" in path or path.endswith(".tgz") for path in paths)
    if sum(files[path].size for path in paths) > MOST_BYTES:
        raise RenderError(f"The chart is larger than the {MOST_BYTES:,} bytes that Helm takes.", code="too-large")
    contents = {path: content(path) for path in paths}
    return Chart(pack(contents.items()), functions=named(contents.items()), may_define=may_define)
