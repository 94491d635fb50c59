from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AgentMessage(_message.Message):
    __slots__ = ("hello", "inventory", "refusals", "status", "heartbeat")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    INVENTORY_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    inventory: Inventory
    refusals: Refusals
    status: StatusReport
    heartbeat: Heartbeat
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., inventory: _Optional[_Union[Inventory, _Mapping]] = ..., refusals: _Optional[_Union[Refusals, _Mapping]] = ..., status: _Optional[_Union[StatusReport, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class HubMessage(_message.Message):
    __slots__ = ("welcome", "assignments", "status_receipt", "heartbeat", "query", "trust", "goodbye", "inventory_request", "status_request", "settings")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    STATUS_RECEIPT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    TRUST_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    INVENTORY_REQUEST_FIELD_NUMBER: _ClassVar[int]
    STATUS_REQUEST_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    assignments: Assignments
    status_receipt: StatusReceipt
    heartbeat: Heartbeat
    query: Query
    trust: TrustBundle
    goodbye: Goodbye
    inventory_request: InventoryRequest
    status_request: StatusRequest
    settings: Settings
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., assignments: _Optional[_Union[Assignments, _Mapping]] = ..., status_receipt: _Optional[_Union[StatusReceipt, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., query: _Optional[_Union[Query, _Mapping]] = ..., trust: _Optional[_Union[TrustBundle, _Mapping]] = ..., goodbye: _Optional[_Union[Goodbye, _Mapping]] = ..., inventory_request: _Optional[_Union[InventoryRequest, _Mapping]] = ..., status_request: _Optional[_Union[StatusRequest, _Mapping]] = ..., settings: _Optional[_Union[Settings, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "agent_version", "boot_id", "capabilities", "inventory_digest", "status_digest", "trust_digest", "simulated", "settings_digest")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    AGENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    INVENTORY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    STATUS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TRUST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    agent_version: str
    boot_id: str
    capabilities: Capabilities
    inventory_digest: bytes
    status_digest: bytes
    trust_digest: bytes
    simulated: bool
    settings_digest: bytes
    def __init__(self, protocol: _Optional[int] = ..., agent_version: _Optional[str] = ..., boot_id: _Optional[str] = ..., capabilities: _Optional[_Union[Capabilities, _Mapping]] = ..., inventory_digest: _Optional[bytes] = ..., status_digest: _Optional[bytes] = ..., trust_digest: _Optional[bytes] = ..., simulated: _Optional[bool] = ..., settings_digest: _Optional[bytes] = ...) -> None: ...

class Capabilities(_message.Message):
    __slots__ = ("kubernetes_version", "api_versions", "server", "digest", "cluster_kinds")
    KUBERNETES_VERSION_FIELD_NUMBER: _ClassVar[int]
    API_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_KINDS_FIELD_NUMBER: _ClassVar[int]
    kubernetes_version: str
    api_versions: _containers.RepeatedScalarFieldContainer[str]
    server: str
    digest: bytes
    cluster_kinds: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kubernetes_version: _Optional[str] = ..., api_versions: _Optional[_Iterable[str]] = ..., server: _Optional[str] = ..., digest: _Optional[bytes] = ..., cluster_kinds: _Optional[_Iterable[str]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("protocol", "cluster", "session", "heartbeat_seconds", "hub_time_ms", "in_agreement")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    HUB_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    IN_AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    cluster: str
    session: str
    heartbeat_seconds: float
    hub_time_ms: int
    in_agreement: bool
    def __init__(self, protocol: _Optional[int] = ..., cluster: _Optional[str] = ..., session: _Optional[str] = ..., heartbeat_seconds: _Optional[float] = ..., hub_time_ms: _Optional[int] = ..., in_agreement: _Optional[bool] = ...) -> None: ...

class InventoryRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Inventory(_message.Message):
    __slots__ = ("held",)
    HELD_FIELD_NUMBER: _ClassVar[int]
    held: _containers.RepeatedCompositeFieldContainer[HeldAssignment]
    def __init__(self, held: _Optional[_Iterable[_Union[HeldAssignment, _Mapping]]] = ...) -> None: ...

class HeldAssignment(_message.Message):
    __slots__ = ("application", "uid", "generation", "digest", "deleted")
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    application: str
    uid: str
    generation: int
    digest: bytes
    deleted: bool
    def __init__(self, application: _Optional[str] = ..., uid: _Optional[str] = ..., generation: _Optional[int] = ..., digest: _Optional[bytes] = ..., deleted: _Optional[bool] = ...) -> None: ...

class Assignments(_message.Message):
    __slots__ = ("items", "blobs")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Assignment]
    blobs: _containers.RepeatedCompositeFieldContainer[Blob]
    def __init__(self, items: _Optional[_Iterable[_Union[Assignment, _Mapping]]] = ..., blobs: _Optional[_Iterable[_Union[Blob, _Mapping]]] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("application", "uid", "generation", "digest", "project", "namespace", "manifest_set", "revision", "policy", "operation", "deletion", "ignore_differences", "approved_ms", "windows", "orphans")
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_SET_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    DELETION_FIELD_NUMBER: _ClassVar[int]
    IGNORE_DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    APPROVED_MS_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    ORPHANS_FIELD_NUMBER: _ClassVar[int]
    application: str
    uid: str
    generation: int
    digest: bytes
    project: str
    namespace: str
    manifest_set: ManifestSetRef
    revision: Revision
    policy: SyncPolicy
    operation: Operation
    deletion: Deletion
    ignore_differences: _containers.RepeatedCompositeFieldContainer[IgnoreDifference]
    approved_ms: int
    windows: _containers.RepeatedCompositeFieldContainer[SyncWindow]
    orphans: OrphanedResources
    def __init__(self, application: _Optional[str] = ..., uid: _Optional[str] = ..., generation: _Optional[int] = ..., digest: _Optional[bytes] = ..., project: _Optional[str] = ..., namespace: _Optional[str] = ..., manifest_set: _Optional[_Union[ManifestSetRef, _Mapping]] = ..., revision: _Optional[_Union[Revision, _Mapping]] = ..., policy: _Optional[_Union[SyncPolicy, _Mapping]] = ..., operation: _Optional[_Union[Operation, _Mapping]] = ..., deletion: _Optional[_Union[Deletion, _Mapping]] = ..., ignore_differences: _Optional[_Iterable[_Union[IgnoreDifference, _Mapping]]] = ..., approved_ms: _Optional[int] = ..., windows: _Optional[_Iterable[_Union[SyncWindow, _Mapping]]] = ..., orphans: _Optional[_Union[OrphanedResources, _Mapping]] = ...) -> None: ...

class ManifestSetRef(_message.Message):
    __slots__ = ("digest", "signature", "key_id", "resources")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    signature: bytes
    key_id: str
    resources: int
    def __init__(self, digest: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., key_id: _Optional[str] = ..., resources: _Optional[int] = ...) -> None: ...

class Revision(_message.Message):
    __slots__ = ("sources",)
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[SourceRevision]
    def __init__(self, sources: _Optional[_Iterable[_Union[SourceRevision, _Mapping]]] = ...) -> None: ...

class SourceRevision(_message.Message):
    __slots__ = ("repo_url", "revision", "author", "message", "committed_ms", "chart", "digest")
    REPO_URL_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_MS_FIELD_NUMBER: _ClassVar[int]
    CHART_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    repo_url: str
    revision: str
    author: str
    message: str
    committed_ms: int
    chart: str
    digest: str
    def __init__(self, repo_url: _Optional[str] = ..., revision: _Optional[str] = ..., author: _Optional[str] = ..., message: _Optional[str] = ..., committed_ms: _Optional[int] = ..., chart: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class SyncPolicy(_message.Message):
    __slots__ = ("automated", "prune", "self_heal", "allow_empty", "sync_options", "retry", "namespace")
    AUTOMATED_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    SELF_HEAL_FIELD_NUMBER: _ClassVar[int]
    ALLOW_EMPTY_FIELD_NUMBER: _ClassVar[int]
    SYNC_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    automated: bool
    prune: bool
    self_heal: bool
    allow_empty: bool
    sync_options: _containers.RepeatedScalarFieldContainer[str]
    retry: Retry
    namespace: NamespaceMetadata
    def __init__(self, automated: _Optional[bool] = ..., prune: _Optional[bool] = ..., self_heal: _Optional[bool] = ..., allow_empty: _Optional[bool] = ..., sync_options: _Optional[_Iterable[str]] = ..., retry: _Optional[_Union[Retry, _Mapping]] = ..., namespace: _Optional[_Union[NamespaceMetadata, _Mapping]] = ...) -> None: ...

class NamespaceMetadata(_message.Message):
    __slots__ = ("labels", "annotations")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.ScalarMap[str, str]
    annotations: _containers.ScalarMap[str, str]
    def __init__(self, labels: _Optional[_Mapping[str, str]] = ..., annotations: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Retry(_message.Message):
    __slots__ = ("limit", "duration_seconds", "factor", "max_seconds", "refresh")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    MAX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    limit: int
    duration_seconds: float
    factor: float
    max_seconds: float
    refresh: bool
    def __init__(self, limit: _Optional[int] = ..., duration_seconds: _Optional[float] = ..., factor: _Optional[float] = ..., max_seconds: _Optional[float] = ..., refresh: _Optional[bool] = ...) -> None: ...

class IgnoreDifference(_message.Message):
    __slots__ = ("group", "kind", "name", "namespace", "json_pointers", "jq_path_expressions", "managed_fields_managers")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    JSON_POINTERS_FIELD_NUMBER: _ClassVar[int]
    JQ_PATH_EXPRESSIONS_FIELD_NUMBER: _ClassVar[int]
    MANAGED_FIELDS_MANAGERS_FIELD_NUMBER: _ClassVar[int]
    group: str
    kind: str
    name: str
    namespace: str
    json_pointers: _containers.RepeatedScalarFieldContainer[str]
    jq_path_expressions: _containers.RepeatedScalarFieldContainer[str]
    managed_fields_managers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, group: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ..., json_pointers: _Optional[_Iterable[str]] = ..., jq_path_expressions: _Optional[_Iterable[str]] = ..., managed_fields_managers: _Optional[_Iterable[str]] = ...) -> None: ...

class SyncWindow(_message.Message):
    __slots__ = ("kind", "schedule", "cron", "time_zone", "duration_seconds", "manual_sync", "sync_overrun", "description")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    CRON_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MANUAL_SYNC_FIELD_NUMBER: _ClassVar[int]
    SYNC_OVERRUN_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    kind: str
    schedule: str
    cron: str
    time_zone: str
    duration_seconds: float
    manual_sync: bool
    sync_overrun: bool
    description: str
    def __init__(self, kind: _Optional[str] = ..., schedule: _Optional[str] = ..., cron: _Optional[str] = ..., time_zone: _Optional[str] = ..., duration_seconds: _Optional[float] = ..., manual_sync: _Optional[bool] = ..., sync_overrun: _Optional[bool] = ..., description: _Optional[str] = ...) -> None: ...

class OrphanedResources(_message.Message):
    __slots__ = ("warn", "ignore", "restricted", "permitted", "denied")
    WARN_FIELD_NUMBER: _ClassVar[int]
    IGNORE_FIELD_NUMBER: _ClassVar[int]
    RESTRICTED_FIELD_NUMBER: _ClassVar[int]
    PERMITTED_FIELD_NUMBER: _ClassVar[int]
    DENIED_FIELD_NUMBER: _ClassVar[int]
    warn: bool
    ignore: _containers.RepeatedCompositeFieldContainer[KindRule]
    restricted: bool
    permitted: _containers.RepeatedCompositeFieldContainer[KindRule]
    denied: _containers.RepeatedCompositeFieldContainer[KindRule]
    def __init__(self, warn: _Optional[bool] = ..., ignore: _Optional[_Iterable[_Union[KindRule, _Mapping]]] = ..., restricted: _Optional[bool] = ..., permitted: _Optional[_Iterable[_Union[KindRule, _Mapping]]] = ..., denied: _Optional[_Iterable[_Union[KindRule, _Mapping]]] = ...) -> None: ...

class KindRule(_message.Message):
    __slots__ = ("group", "kind", "name")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    group: str
    kind: str
    name: str
    def __init__(self, group: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ResourceKey(_message.Message):
    __slots__ = ("group", "kind", "namespace", "name")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    group: str
    kind: str
    namespace: str
    name: str
    def __init__(self, group: _Optional[str] = ..., kind: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("id", "kind", "manifest_set", "revision", "prune", "dry_run", "force", "resources", "initiated_by", "requested_ms", "terminate", "sync_options", "retry")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_SET_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    INITIATED_BY_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_MS_FIELD_NUMBER: _ClassVar[int]
    TERMINATE_FIELD_NUMBER: _ClassVar[int]
    SYNC_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    manifest_set: ManifestSetRef
    revision: Revision
    prune: bool
    dry_run: bool
    force: bool
    resources: _containers.RepeatedCompositeFieldContainer[ResourceKey]
    initiated_by: str
    requested_ms: int
    terminate: bool
    sync_options: _containers.RepeatedScalarFieldContainer[str]
    retry: Retry
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., manifest_set: _Optional[_Union[ManifestSetRef, _Mapping]] = ..., revision: _Optional[_Union[Revision, _Mapping]] = ..., prune: _Optional[bool] = ..., dry_run: _Optional[bool] = ..., force: _Optional[bool] = ..., resources: _Optional[_Iterable[_Union[ResourceKey, _Mapping]]] = ..., initiated_by: _Optional[str] = ..., requested_ms: _Optional[int] = ..., terminate: _Optional[bool] = ..., sync_options: _Optional[_Iterable[str]] = ..., retry: _Optional[_Union[Retry, _Mapping]] = ...) -> None: ...

class Deletion(_message.Message):
    __slots__ = ("cascade", "propagation", "requested_ms")
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    PROPAGATION_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_MS_FIELD_NUMBER: _ClassVar[int]
    cascade: bool
    propagation: str
    requested_ms: int
    def __init__(self, cascade: _Optional[bool] = ..., propagation: _Optional[str] = ..., requested_ms: _Optional[int] = ...) -> None: ...

class Refusals(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Refusal]
    def __init__(self, items: _Optional[_Iterable[_Union[Refusal, _Mapping]]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("application", "uid", "generation", "code", "message", "held_generation")
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HELD_GENERATION_FIELD_NUMBER: _ClassVar[int]
    application: str
    uid: str
    generation: int
    code: str
    message: str
    held_generation: int
    def __init__(self, application: _Optional[str] = ..., uid: _Optional[str] = ..., generation: _Optional[int] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., held_generation: _Optional[int] = ...) -> None: ...

class StatusReport(_message.Message):
    __slots__ = ("sequence", "applications", "drifts", "finished_operations")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    APPLICATIONS_FIELD_NUMBER: _ClassVar[int]
    DRIFTS_FIELD_NUMBER: _ClassVar[int]
    FINISHED_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    applications: _containers.RepeatedCompositeFieldContainer[ApplicationStatus]
    drifts: _containers.RepeatedCompositeFieldContainer[DriftReport]
    finished_operations: _containers.RepeatedCompositeFieldContainer[OperationState]
    def __init__(self, sequence: _Optional[int] = ..., applications: _Optional[_Iterable[_Union[ApplicationStatus, _Mapping]]] = ..., drifts: _Optional[_Iterable[_Union[DriftReport, _Mapping]]] = ..., finished_operations: _Optional[_Iterable[_Union[OperationState, _Mapping]]] = ...) -> None: ...

class StatusReceipt(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ("operations",)
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    operations: bool
    def __init__(self, operations: _Optional[bool] = ...) -> None: ...

class ApplicationStatus(_message.Message):
    __slots__ = ("application", "uid", "generation", "sync", "health", "health_message", "manifest_set", "synced_manifest_set", "synced_revision", "resources", "total", "operation", "conditions", "observed_ms", "digest", "deleted", "not_fine")
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SYNC_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    HEALTH_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_SET_FIELD_NUMBER: _ClassVar[int]
    SYNCED_MANIFEST_SET_FIELD_NUMBER: _ClassVar[int]
    SYNCED_REVISION_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_MS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    NOT_FINE_FIELD_NUMBER: _ClassVar[int]
    application: str
    uid: str
    generation: int
    sync: str
    health: str
    health_message: str
    manifest_set: bytes
    synced_manifest_set: bytes
    synced_revision: Revision
    resources: _containers.RepeatedCompositeFieldContainer[ResourceStatus]
    total: int
    operation: OperationState
    conditions: _containers.RepeatedCompositeFieldContainer[Condition]
    observed_ms: int
    digest: bytes
    deleted: bool
    not_fine: int
    def __init__(self, application: _Optional[str] = ..., uid: _Optional[str] = ..., generation: _Optional[int] = ..., sync: _Optional[str] = ..., health: _Optional[str] = ..., health_message: _Optional[str] = ..., manifest_set: _Optional[bytes] = ..., synced_manifest_set: _Optional[bytes] = ..., synced_revision: _Optional[_Union[Revision, _Mapping]] = ..., resources: _Optional[_Iterable[_Union[ResourceStatus, _Mapping]]] = ..., total: _Optional[int] = ..., operation: _Optional[_Union[OperationState, _Mapping]] = ..., conditions: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ..., observed_ms: _Optional[int] = ..., digest: _Optional[bytes] = ..., deleted: _Optional[bool] = ..., not_fine: _Optional[int] = ...) -> None: ...

class ResourceStatus(_message.Message):
    __slots__ = ("key", "version", "sync", "health", "message", "requires_pruning", "drift")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SYNC_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REQUIRES_PRUNING_FIELD_NUMBER: _ClassVar[int]
    DRIFT_FIELD_NUMBER: _ClassVar[int]
    key: ResourceKey
    version: str
    sync: str
    health: str
    message: str
    requires_pruning: bool
    drift: _containers.RepeatedCompositeFieldContainer[FieldDrift]
    def __init__(self, key: _Optional[_Union[ResourceKey, _Mapping]] = ..., version: _Optional[str] = ..., sync: _Optional[str] = ..., health: _Optional[str] = ..., message: _Optional[str] = ..., requires_pruning: _Optional[bool] = ..., drift: _Optional[_Iterable[_Union[FieldDrift, _Mapping]]] = ...) -> None: ...

class FieldDrift(_message.Message):
    __slots__ = ("path", "assigned", "live", "manager", "changed", "likely")
    PATH_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    MANAGER_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    LIKELY_FIELD_NUMBER: _ClassVar[int]
    path: str
    assigned: str
    live: str
    manager: str
    changed: str
    likely: bool
    def __init__(self, path: _Optional[str] = ..., assigned: _Optional[str] = ..., live: _Optional[str] = ..., manager: _Optional[str] = ..., changed: _Optional[str] = ..., likely: _Optional[bool] = ...) -> None: ...

class DriftReport(_message.Message):
    __slots__ = ("id", "application", "uid", "key", "kind", "fields", "seen_ms", "healed_ms", "hub_away")
    ID_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    SEEN_MS_FIELD_NUMBER: _ClassVar[int]
    HEALED_MS_FIELD_NUMBER: _ClassVar[int]
    HUB_AWAY_FIELD_NUMBER: _ClassVar[int]
    id: str
    application: str
    uid: str
    key: ResourceKey
    kind: str
    fields: _containers.RepeatedCompositeFieldContainer[FieldDrift]
    seen_ms: int
    healed_ms: int
    hub_away: bool
    def __init__(self, id: _Optional[str] = ..., application: _Optional[str] = ..., uid: _Optional[str] = ..., key: _Optional[_Union[ResourceKey, _Mapping]] = ..., kind: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[FieldDrift, _Mapping]]] = ..., seen_ms: _Optional[int] = ..., healed_ms: _Optional[int] = ..., hub_away: _Optional[bool] = ...) -> None: ...

class OperationState(_message.Message):
    __slots__ = ("id", "application", "uid", "kind", "phase", "message", "manifest_set", "revision", "initiated_by", "started_ms", "finished_ms", "results", "attempt", "dry_run", "partial", "done", "total", "retry_limit", "next_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_SET_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    INITIATED_BY_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    FINISHED_MS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    RETRY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    NEXT_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    application: str
    uid: str
    kind: str
    phase: str
    message: str
    manifest_set: bytes
    revision: Revision
    initiated_by: str
    started_ms: int
    finished_ms: int
    results: _containers.RepeatedCompositeFieldContainer[OperationResult]
    attempt: int
    dry_run: bool
    partial: bool
    done: int
    total: int
    retry_limit: int
    next_ms: int
    def __init__(self, id: _Optional[str] = ..., application: _Optional[str] = ..., uid: _Optional[str] = ..., kind: _Optional[str] = ..., phase: _Optional[str] = ..., message: _Optional[str] = ..., manifest_set: _Optional[bytes] = ..., revision: _Optional[_Union[Revision, _Mapping]] = ..., initiated_by: _Optional[str] = ..., started_ms: _Optional[int] = ..., finished_ms: _Optional[int] = ..., results: _Optional[_Iterable[_Union[OperationResult, _Mapping]]] = ..., attempt: _Optional[int] = ..., dry_run: _Optional[bool] = ..., partial: _Optional[bool] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., retry_limit: _Optional[int] = ..., next_ms: _Optional[int] = ...) -> None: ...

class OperationResult(_message.Message):
    __slots__ = ("key", "version", "status", "message", "sync_phase", "wave", "hook", "state", "name", "started_ms", "finished_ms", "output")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SYNC_PHASE_FIELD_NUMBER: _ClassVar[int]
    WAVE_FIELD_NUMBER: _ClassVar[int]
    HOOK_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    FINISHED_MS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    key: ResourceKey
    version: str
    status: str
    message: str
    sync_phase: str
    wave: int
    hook: bool
    state: str
    name: str
    started_ms: int
    finished_ms: int
    output: str
    def __init__(self, key: _Optional[_Union[ResourceKey, _Mapping]] = ..., version: _Optional[str] = ..., status: _Optional[str] = ..., message: _Optional[str] = ..., sync_phase: _Optional[str] = ..., wave: _Optional[int] = ..., hook: _Optional[bool] = ..., state: _Optional[str] = ..., name: _Optional[str] = ..., started_ms: _Optional[int] = ..., finished_ms: _Optional[int] = ..., output: _Optional[str] = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ("type", "message", "last_transition_ms")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LAST_TRANSITION_MS_FIELD_NUMBER: _ClassVar[int]
    type: str
    message: str
    last_transition_ms: int
    def __init__(self, type: _Optional[str] = ..., message: _Optional[str] = ..., last_transition_ms: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sent_ms",)
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    sent_ms: int
    def __init__(self, sent_ms: _Optional[int] = ...) -> None: ...

class FetchBlobsRequest(_message.Message):
    __slots__ = ("digests",)
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, digests: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Blob(_message.Message):
    __slots__ = ("digest", "content")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    content: bytes
    def __init__(self, digest: _Optional[bytes] = ..., content: _Optional[bytes] = ...) -> None: ...

class BlobChunk(_message.Message):
    __slots__ = ("digest", "content", "last", "missing")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    content: bytes
    last: bool
    missing: bool
    def __init__(self, digest: _Optional[bytes] = ..., content: _Optional[bytes] = ..., last: _Optional[bool] = ..., missing: _Optional[bool] = ...) -> None: ...

class Query(_message.Message):
    __slots__ = ("id", "application", "kind", "parameters", "timeout_seconds")
    ID_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    id: str
    application: str
    kind: str
    parameters: bytes
    timeout_seconds: float
    def __init__(self, id: _Optional[str] = ..., application: _Optional[str] = ..., kind: _Optional[str] = ..., parameters: _Optional[bytes] = ..., timeout_seconds: _Optional[float] = ...) -> None: ...

class AnswerChunk(_message.Message):
    __slots__ = ("id", "content", "error", "message")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    content: bytes
    error: str
    message: str
    def __init__(self, id: _Optional[str] = ..., content: _Optional[bytes] = ..., error: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class AnswerReceipt(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Settings(_message.Message):
    __slots__ = ("content", "digest", "cluster_names")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAMES_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    digest: bytes
    cluster_names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, content: _Optional[bytes] = ..., digest: _Optional[bytes] = ..., cluster_names: _Optional[_Iterable[str]] = ...) -> None: ...

class TrustBundle(_message.Message):
    __slots__ = ("authorities", "signing_keys", "digest")
    AUTHORITIES_FIELD_NUMBER: _ClassVar[int]
    SIGNING_KEYS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    authorities: _containers.RepeatedScalarFieldContainer[bytes]
    signing_keys: _containers.RepeatedCompositeFieldContainer[SigningKey]
    digest: bytes
    def __init__(self, authorities: _Optional[_Iterable[bytes]] = ..., signing_keys: _Optional[_Iterable[_Union[SigningKey, _Mapping]]] = ..., digest: _Optional[bytes] = ...) -> None: ...

class SigningKey(_message.Message):
    __slots__ = ("id", "public_key")
    ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    id: str
    public_key: bytes
    def __init__(self, id: _Optional[str] = ..., public_key: _Optional[bytes] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ("reason", "message", "retry_after_seconds")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_SECONDS_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    retry_after_seconds: float
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., retry_after_seconds: _Optional[float] = ...) -> None: ...

class RenewRequest(_message.Message):
    __slots__ = ("csr",)
    CSR_FIELD_NUMBER: _ClassVar[int]
    csr: bytes
    def __init__(self, csr: _Optional[bytes] = ...) -> None: ...

class RenewResponse(_message.Message):
    __slots__ = ("certificate", "chain", "trust")
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    TRUST_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    chain: _containers.RepeatedScalarFieldContainer[bytes]
    trust: TrustBundle
    def __init__(self, certificate: _Optional[bytes] = ..., chain: _Optional[_Iterable[bytes]] = ..., trust: _Optional[_Union[TrustBundle, _Mapping]] = ...) -> None: ...
