"""What goes into a render and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.domain.application import JsonnetOptions, Source
from hub.domain.cluster import Capabilities
from hub.domain.manifest import ManifestSet
from hub.domain.tree import Tree

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceInput:
    source: Source
    tree: Tree
    revision: str
    """The commit `tree` shows."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """One application for one kind of target."""

    sources: tuple[SourceInput, ...]
    app_name: str
    app_namespace: str = ""
    """The destination's namespace: what Helm calls the release's."""
    capabilities: Capabilities = Capabilities()
    project: str = ""
    frozen: bool = False
    """Whether what a chart makes up (passwords, keys) is to stay as it was first rendered."""
    fetched: tuple[SourceInput, ...] = ()
    """What a scan of it asked for (`Scan.needs`): remote bases, charts that charts depend on. A source of these has an
    address, a revision and maybe a chart, and nothing else."""

    @property
    def inputs(self) -> tuple[SourceInput, ...]:
        """All that is read; trees are numbered as they stand here."""
        return (*self.sources, *self.fetched)


@dataclass(frozen=True, slots=True)
class File:
    """A file that a render reads."""

    path: str
    """As the source names it: what messages say."""
    stored: str
    """Where it is in the tree: another path than `path` where symlinks were followed."""
    object_id: str
    tree: int = 0
    """Which source's tree it is in."""
    size: int = 0


@dataclass(frozen=True, slots=True)
class JsonnetPlan:
    """What the Jsonnet among the files of a directory reads."""

    options: JsonnetOptions
    imports: tuple[File, ...]
    """All files that imports lead to, from the evaluated ones on."""
    leads: tuple[tuple[str, str, str], ...]
    """(directory of the importing file, name in the import, path): where each import leads."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one source is to be rendered, decided from the tree without rendering. A worker sees nothing beyond it."""

    index: int
    tool: str
    """directory | kustomize | helm"""
    source: Source
    """With the repository's own overrides applied."""
    path: str
    """The directory, symlinks followed."""
    files: tuple[File, ...]
    links: tuple[tuple[str, str], ...] = ()
    """Kustomize: (path, where it leads), for the symlinks on the way to the files."""
    value_files: tuple[File, ...] = ()
    """Helm: in the order of their precedence, the last one wins."""
    parameter_files: tuple[File, ...] = ()
    """Helm: one for each of the source's file parameters."""
    jsonnet: JsonnetPlan | None = None
    """Directory: where there is any."""
    warnings: tuple[str, ...] = ()

    @property
    def all_files(self) -> tuple[File, ...]:
        imports = self.jsonnet.imports if self.jsonnet is not None else ()
        return (*self.files, *self.value_files, *self.parameter_files, *imports)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a request reads, and the key under which its outcome is known."""

    key: str
    """Hex SHA-256. Requests with equal keys have byte-identical outcomes."""
    inputs: Mapping[str, str]
    """"<source index>:<path>" → object id, '' for what is looked for and absent. While these stay as they are, so does
    the key for this request."""
    tool: str
    """The tools, in the order of the sources, each once, with commas between."""
    uses_capabilities: bool
    """Whether another cluster's capabilities give another key."""
    plans: tuple[Plan, ...] = ()
    warnings: tuple[str, ...] = ()
    """"<ConditionType>: <message>" each."""
    needs: tuple[Source, ...] = ()
    """What lies beyond the sources, and is read too: to be fetched, and the request to be scanned again with it. While
    there is any, nothing else of the scan counts."""


@dataclass(frozen=True, slots=True)
class Rendered:
    manifest_set: ManifestSet
    blobs: Mapping[str, bytes] = field(repr=False)
    """Digest → canonical JSON, for every digest of the set."""
    warnings: tuple[str, ...] = ()
    """"<ConditionType>: <message>" each."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RenderLimits:
    seconds: float = 90.0
    memory_bytes: int = 3072 * MIB
    """Address space of a worker. Helm's library alone reserves 1.9 GB of it, of which 0.1 GB are ever used."""
    output_bytes: int = 100 * MIB
    resources: int = 50_000
    resource_bytes: int = 3 * MIB
    files: int = 20_000
    file_bytes: int = 50 * MIB
    """Of one file."""
    input_bytes: int = 200 * MIB
    """Of all files that one render reads."""
