"""The kinds a simulated API server serves without any CustomResourceDefinition, and what is particular to each.

The tables are built once and shared by every simulated cluster in the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

from agent.engine.resource import GroupKind
from agent.kube.client import Discovery, Kind
from agent.kube.simulated.schema import Node
from agent.kube.simulated.types import builtin

VERSION: Final = "v1.36.3"
VERBS: Final = frozenset({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"})
_CREATE: Final = frozenset({"create"})


@dataclass(frozen=True)
class Resource:
    """A kind, and how the server treats it."""

    kind: Kind
    status: bool = False
    """It has a status subresource: an apply or an update of the object leaves the status alone."""
    generation: bool = False
    """metadata.generation counts changes of what is desired."""
    schema: Mapping[str, Any] | None = None
    """The structural schema of a custom kind: what it is checked against and defaulted from."""
    custom_rules: Node | None = None
    """How instances of a custom kind merge."""

    @cached_property
    def rules(self) -> Node:
        """What the server knows of the type."""
        return self.custom_rules or builtin(self.kind)

    @property
    def name(self) -> str:
        """The resource as messages name it: "deployments.apps"."""
        kind = self.kind
        return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


# One line a kind: group/version, kind, plural, then any of: cluster (not namespaced), status (has the
# subresource), generation (counts them), create (only that verb).
_TABLE: Final = """
v1 Binding bindings create
v1 ConfigMap configmaps
v1 Endpoints endpoints
v1 Event events
v1 LimitRange limitranges
v1 Namespace namespaces cluster status
v1 Node nodes cluster status
v1 PersistentVolume persistentvolumes cluster status
v1 PersistentVolumeClaim persistentvolumeclaims status
v1 Pod pods status generation
v1 PodTemplate podtemplates generation
v1 ReplicationController replicationcontrollers status generation
v1 ResourceQuota resourcequotas status
v1 Secret secrets
v1 Service services status
v1 ServiceAccount serviceaccounts
admissionregistration.k8s.io/v1 MutatingAdmissionPolicy mutatingadmissionpolicies cluster generation
admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding mutatingadmissionpolicybindings cluster generation
admissionregistration.k8s.io/v1 MutatingWebhookConfiguration mutatingwebhookconfigurations cluster generation
admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy validatingadmissionpolicies cluster status generation
admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings cluster generation
admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration validatingwebhookconfigurations cluster generation
apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions cluster status generation
apiregistration.k8s.io/v1 APIService apiservices cluster status
apps/v1 ControllerRevision controllerrevisions
apps/v1 DaemonSet daemonsets status generation
apps/v1 Deployment deployments status generation
apps/v1 ReplicaSet replicasets status generation
apps/v1 StatefulSet statefulsets status generation
authentication.k8s.io/v1 SelfSubjectReview selfsubjectreviews cluster create
authentication.k8s.io/v1 TokenReview tokenreviews cluster create
authorization.k8s.io/v1 LocalSubjectAccessReview localsubjectaccessreviews create
authorization.k8s.io/v1 SelfSubjectAccessReview selfsubjectaccessreviews cluster create
authorization.k8s.io/v1 SelfSubjectRulesReview selfsubjectrulesreviews cluster create
authorization.k8s.io/v1 SubjectAccessReview subjectaccessreviews cluster create
autoscaling/v2 HorizontalPodAutoscaler horizontalpodautoscalers status
autoscaling/v1 HorizontalPodAutoscaler horizontalpodautoscalers status
batch/v1 CronJob cronjobs status generation
batch/v1 Job jobs status generation
certificates.k8s.io/v1 CertificateSigningRequest certificatesigningrequests cluster status
coordination.k8s.io/v1 Lease leases
discovery.k8s.io/v1 EndpointSlice endpointslices generation
events.k8s.io/v1 Event events
flowcontrol.apiserver.k8s.io/v1 FlowSchema flowschemas cluster status generation
flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration prioritylevelconfigurations cluster status generation
networking.k8s.io/v1 IPAddress ipaddresses cluster
networking.k8s.io/v1 Ingress ingresses status generation
networking.k8s.io/v1 IngressClass ingressclasses cluster generation
networking.k8s.io/v1 NetworkPolicy networkpolicies generation
networking.k8s.io/v1 ServiceCIDR servicecidrs cluster status
node.k8s.io/v1 RuntimeClass runtimeclasses cluster
policy/v1 PodDisruptionBudget poddisruptionbudgets status generation
rbac.authorization.k8s.io/v1 ClusterRole clusterroles cluster
rbac.authorization.k8s.io/v1 ClusterRoleBinding clusterrolebindings cluster
rbac.authorization.k8s.io/v1 Role roles
rbac.authorization.k8s.io/v1 RoleBinding rolebindings
resource.k8s.io/v1 DeviceClass deviceclasses cluster generation
resource.k8s.io/v1 ResourceClaim resourceclaims status
resource.k8s.io/v1 ResourceClaimTemplate resourceclaimtemplates
resource.k8s.io/v1 ResourceSlice resourceslices cluster generation
scheduling.k8s.io/v1 PriorityClass priorityclasses cluster generation
storage.k8s.io/v1 CSIDriver csidrivers cluster
storage.k8s.io/v1 CSINode csinodes cluster
storage.k8s.io/v1 CSIStorageCapacity csistoragecapacities
storage.k8s.io/v1 StorageClass storageclasses cluster
storage.k8s.io/v1 VolumeAttachment volumeattachments cluster status
storage.k8s.io/v1 VolumeAttributesClass volumeattributesclasses cluster
"""


def _read(line: str) -> Resource:
    api_version, name, plural, *flags = line.split()
    group, _, version = api_version.rpartition("/")
    verbs = _CREATE if "create" in flags else VERBS
    kind = Kind(group, version, name, plural, "cluster" not in flags, verbs)
    return Resource(kind, "status" in flags, "generation" in flags)


def _stored(resources: Iterable[Resource]) -> dict[GroupKind, Resource]:
    stored: dict[GroupKind, Resource] = {}
    for resource in resources:
        stored.setdefault(resource.kind.group_kind, resource)
    return stored


Version: TypeAlias = tuple[str, str, str]
"""Group, version and kind."""

_ALL: Final = [_read(line) for line in _TABLE.strip().splitlines()]
BUILTIN: Final = _stored(_ALL)
"""The built-in kinds, in the version they are stored in."""
BUILTIN_VERSIONS: Final[Mapping[Version, Resource]] = {(r.kind.group, r.kind.version, r.kind.kind): r for r in _ALL}
"""The built-in kinds in every version that is served."""


def discovery(version: str, custom: Iterable[tuple[Kind, bool]] = ()) -> Discovery:
    """Return what a server with these custom kinds serves.

    `custom` gives each kind in each served version, with whether that version is the preferred one.
    """
    kinds = {version: resource.kind for version, resource in BUILTIN_VERSIONS.items()}
    preferred = {group_kind: resource.kind for group_kind, resource in BUILTIN.items()}
    for kind, is_preferred in custom:
        kinds[kind.group, kind.version, kind.kind] = kind
        if is_preferred:
            preferred[kind.group_kind] = kind
    return Discovery(version, kinds, preferred)
