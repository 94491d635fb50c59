"""The Application: what to deploy, from where, to which clusters, and how eagerly.

Field names follow Argo CD's, in Python's spelling; `hub.formats` reads and writes the YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hub.domain.selector import LabelSelector

DEFAULT_NAMESPACE = "argocd"
"""Where Applications live unless their YAML says otherwise, as in Argo CD."""

CASCADE_FINALIZER = "resources-finalizer.argocd.argoproj.io"

DELETION_APPROVED = "argocd.argoproj.io/deletion-approved"
"""The annotation that says when somebody confirmed deletions, RFC 3339."""

REFRESH = "argocd.argoproj.io/refresh"
"""The annotation that asks for one look at the sources: `hard` renders anew, anything else is `normal`."""

SKIP_RECONCILE = "argocd.argoproj.io/skip-reconcile"
"""The annotation that has the hub leave an application as it is."""

HELM_RANDOM = "escadre.io/helm-random"
"""The annotation that says what becomes of what charts make up: `frozen` keeps what was first rendered of an input."""

TRUE = ("1", "t", "T", "true", "True", "TRUE")
FALSE = ("0", "f", "F", "false", "False", "FALSE")
"""What Argo CD takes for true and false in an annotation; of anything else it takes no notice."""


class ApplicationId(NamedTuple):
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def display(self) -> str:
        """How people name it: without the namespace where that is the default."""
        return self.name if self.namespace == DEFAULT_NAMESPACE else str(self)

    @classmethod
    def parse(cls, text: str) -> ApplicationId:
        """Read "name" or "namespace/name"."""
        namespace, slash, name = text.partition("/")
        return cls(namespace, name) if slash else cls(DEFAULT_NAMESPACE, text)


@dataclass(frozen=True, slots=True)
class NameValue:
    name: str
    value: str
    force_string: bool = False


@dataclass(frozen=True, slots=True)
class JsonnetVariable:
    name: str
    value: str
    code: bool = False
    """Whether the value is Jsonnet rather than text."""


@dataclass(frozen=True, slots=True)
class JsonnetOptions:
    ext_vars: tuple[JsonnetVariable, ...] = ()
    tlas: tuple[JsonnetVariable, ...] = ()
    """Top-level arguments."""
    libs: tuple[str, ...] = ()
    """Directories that imports are looked for in, from the repository's root."""


@dataclass(frozen=True, slots=True)
class DirectoryOptions:
    recurse: bool = False
    include: str = ""
    exclude: str = ""
    jsonnet: JsonnetOptions = JsonnetOptions()


@dataclass(frozen=True, slots=True)
class PluginParameter:
    """Of its three values one at most says something."""

    name: str
    string: str = ""
    array: tuple[str, ...] = ()
    map: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PluginOptions:
    """A config management plugin."""

    name: str = ""
    """Empty: the one that says it is for this."""
    env: tuple[tuple[str, str], ...] = ()
    """(name, value) pairs."""
    parameters: tuple[PluginParameter, ...] = ()


@dataclass(frozen=True, slots=True)
class HelmOptions:
    release_name: str = ""
    value_files: tuple[str, ...] = ()
    values: str = ""
    """A YAML mapping as text."""
    values_object: Mapping[str, Any] | None = None
    parameters: tuple[NameValue, ...] = ()
    file_parameters: tuple[tuple[str, str], ...] = ()
    """(name, path) pairs."""
    ignore_missing_value_files: bool = False
    skip_crds: bool = False
    skip_tests: bool = False
    skip_schema_validation: bool = False
    namespace: str = ""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    version: str = ""
    """v3 is all there is: what Helm's charts of today are."""
    pass_credentials: bool = False
    """Whether a chart's repository may have its credentials sent to other hosts."""


@dataclass(frozen=True, slots=True)
class KustomizeReplica:
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class KustomizeOptions:
    name_prefix: str = ""
    name_suffix: str = ""
    namespace: str = ""
    images: tuple[str, ...] = ()
    common_labels: Mapping[str, str] = field(default_factory=dict)
    common_annotations: Mapping[str, str] = field(default_factory=dict)
    force_common_labels: bool = False
    force_common_annotations: bool = False
    label_without_selector: bool = False
    label_include_templates: bool = False
    replicas: tuple[KustomizeReplica, ...] = ()
    patches: tuple[Mapping[str, Any], ...] = ()
    components: tuple[str, ...] = ()
    ignore_missing_components: bool = False
    common_annotations_envsubst: bool = False
    """Whether build variables in common annotations are replaced."""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    version: str = ""
    """One of the Kustomize versions that the hub is configured with."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place manifests come from. At most one of directory, helm, kustomize and plugin is set; none means: find
    out."""

    repo_url: str
    path: str = ""
    target_revision: str = "HEAD"
    chart: str = ""
    ref: str = ""
    name: str = ""
    tag_prefix: str = ""
    """What the tags begin with among which a version range is looked up; it is not part of the version."""
    directory: DirectoryOptions | None = None
    helm: HelmOptions | None = None
    kustomize: KustomizeOptions | None = None
    plugin: PluginOptions | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """Changes one source for the clusters it selects. Overrides apply in order, later ones over earlier ones."""

    selector: LabelSelector
    clusters: tuple[str, ...] = ()
    """Cluster names; empty means the selector alone decides."""
    namespace: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)
    """A merge patch over the source, in the YAML's own field names."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Which clusters, and the namespace for objects that name none.

    Exactly one of name, server and selector is set.
    """

    namespace: str = ""
    name: str = ""
    server: str = ""
    selector: LabelSelector | None = None


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds."""

    duration: float = 5.0
    factor: float = 2.0
    max_duration: float = 180.0


@dataclass(frozen=True, slots=True)
class Retry:
    limit: int = 5
    """-1 is unlimited."""
    backoff: Backoff = Backoff()
    refresh: bool = False
    """A later attempt of a requested sync is for the newest revision. Automated ones always are."""


@dataclass(frozen=True, slots=True)
class Automated:
    prune: bool = False
    self_heal: bool = False
    allow_empty: bool = False


@dataclass(frozen=True, slots=True)
class NamespaceMetadata:
    """What a namespace that `CreateNamespace=true` makes is to have."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SyncPolicy:
    automated: Automated | None = None
    sync_options: tuple[str, ...] = ()
    retry: Retry | None = None
    namespace: NamespaceMetadata | None = None
    """None: what a namespace has is left to others."""

    @property
    def outlived(self) -> bool:
        """Whether what the application put on clusters is to stay there when it is deleted."""
        return "Delete=false" in {o.replace(" ", "") for o in self.sync_options}


@dataclass(frozen=True, slots=True)
class IgnoreDifference:
    kind: str
    group: str = ""
    name: str = ""
    namespace: str = ""
    json_pointers: tuple[str, ...] = ()
    jq_path_expressions: tuple[str, ...] = ()
    managed_fields_managers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApplicationSpec:
    project: str
    sources: tuple[Source, ...]
    destinations: tuple[Destination, ...]
    overrides: tuple[Override, ...] = ()
    sync_policy: SyncPolicy = SyncPolicy()
    ignore_differences: tuple[IgnoreDifference, ...] = ()
    revision_history_limit: int = 10


@dataclass(frozen=True, slots=True)
class Deletion:
    """An application on its way out."""

    cascade: bool
    propagation: str
    """foreground | background | orphan"""
    requested_by: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Application:
    id: ApplicationId
    spec: ApplicationSpec
    uid: str = ""
    """Given by the store at creation; another application of the same name has another one."""
    generation: int = 0
    """Grows with every change of the spec."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """The object as its owner wrote it, so that exporting gives back what was brought."""
    created_at: datetime | None = None
    deletion: Deletion | None = None

    @property
    def deletion_approved_at(self) -> datetime | None:
        """When deletions that ask for a confirmation were last confirmed; None when never, or told in another form."""
        try:
            at = datetime.fromisoformat(self.annotations.get(DELETION_APPROVED, ""))
        except ValueError:
            return None
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)

    @property
    def frozen(self) -> bool:
        """Whether what its charts make up stays as it was first rendered."""
        return self.annotations.get(HELM_RANDOM) == "frozen"

    @property
    def skips_reconcile(self) -> bool:
        """Whether it is to be left as it is. One on its way out is not: it goes."""
        return self.deletion is None and self.annotations.get(SKIP_RECONCILE) in TRUE

    @property
    def cascades(self) -> bool:
        """Whether deleting the application deletes what it put on clusters."""
        return any(f == CASCADE_FINALIZER or f.startswith(CASCADE_FINALIZER + "/") for f in self.finalizers)


def with_annotation(application: Application, name: str, value: str) -> Application:
    """Return an application with an annotation more, also in the object as its owner wrote it."""
    metadata = application.manifest.get("metadata")
    manifest = application.manifest
    if isinstance(metadata, Mapping):
        written = metadata.get("annotations")
        annotations = {**(written if isinstance(written, Mapping) else {}), name: value}
        manifest = {**manifest, "metadata": {**metadata, "annotations": annotations}}
    return replace(application, annotations={**application.annotations, name: value}, manifest=manifest)


def without_refresh(application: Application) -> tuple[Application, str]:
    """Return an application without the wish to be looked at that it was written with, and that wish: "" | normal |
    hard. It is for once, and nothing of what the application is."""
    asked = application.annotations.get(REFRESH)
    if asked is None:
        return application, ""
    annotations = {name: value for name, value in application.annotations.items() if name != REFRESH}
    metadata = application.manifest.get("metadata")
    manifest = application.manifest
    if isinstance(metadata, Mapping) and isinstance(written := metadata.get("annotations"), Mapping):
        rest = {key: value for key, value in metadata.items() if key != "annotations"}
        kept = {name: value for name, value in written.items() if name != REFRESH}
        manifest = {**manifest, "metadata": {**rest, "annotations": kept} if kept else rest}
    mode = "hard" if asked == "hard" else "normal"
    return replace(application, annotations=annotations, manifest=manifest), mode


def skip_words(application: Application) -> str:
    """Say that an application is left as it is, and how that is ended."""
    return (
        f"application {application.id.display} is left as it is while its annotation {SKIP_RECONCILE} is "
        f"{application.annotations.get(SKIP_RECONCILE)!r}: until that is taken away, as by `escadre app set "
        f"{application.id.display} --annotation {SKIP_RECONCILE}-`, no commit, refresh or sync changes anything"
    )
