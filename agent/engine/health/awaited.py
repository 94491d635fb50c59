"""Kinds whose controllers report on every object: without a report, the object has not been taken up yet.

Of other kinds an object without a status counts as Healthy, for most of them never get one.
"""

from __future__ import annotations

from typing import Final

_KINDS: Final = {
    "acid.zalan.do": "postgresql",
    "apps.3scale.net": "APIManager",
    "argoproj.io": "EventBus EventSource Sensor",
    "atlas.mongodb.com": "AtlasCluster AtlasDatabaseUser AtlasDeployment AtlasProject",
    "camel.apache.org": "Build Integration IntegrationKit IntegrationPlatform Kamelet Pipe",
    "cassandra.datastax.com": "CassandraDatacenter",
    "ceph.rook.io": "CephBlockPool CephFilesystem CephObjectStore CephObjectStoreUser",
    "cert-manager.io": "Certificate CertificateRequest ClusterIssuer Issuer",
    "cluster.x-k8s.io": "Cluster MachineDeployment MachinePool MachineSet",
    "eventing.knative.dev": "Broker Trigger",
    "external-secrets.io": "ClusterExternalSecret ClusterSecretStore ExternalSecret PushSecret SecretStore",
    "flagger.app": "Canary",
    "gateway.networking.k8s.io": "GatewayClass",
    "helm.toolkit.fluxcd.io": "HelmRelease",
    "image.toolkit.fluxcd.io": "ImagePolicy ImageRepository ImageUpdateAutomation",
    "install.istio.io": "IstioOperator",
    "k8s.keycloak.org": "Keycloak KeycloakRealmImport",
    "k8s.mariadb.com": "Backup Connection Database Grant MariaDB MaxScale Restore SqlJob User",
    "kafka.strimzi.io": "Kafka KafkaBridge KafkaConnect KafkaConnector KafkaMirrorMaker KafkaMirrorMaker2 KafkaTopic "
    "KafkaUser",
    "keda.sh": "ScaledJob ScaledObject",
    "kubevirt.io": "KubeVirt",
    "kustomize.toolkit.fluxcd.io": "Kustomization",
    "kyverno.io": "ClusterPolicy Policy",
    "machinelearning.seldon.io": "SeldonDeployment",
    "messaging.knative.dev": "Channel InMemoryChannel Subscription",
    "mongodb.com": "MongoDB MongoDBMultiCluster MongoDBOpsManager",
    "mongodbcommunity.mongodb.com": "MongoDBCommunity",
    "networking.gke.io": "ManagedCertificate",
    "numaflow.numaproj.io": "InterStepBufferService MonoVertex Pipeline",
    "onepassword.com": "OnePasswordItem",
    "opensearch.opster.io": "OpenSearchCluster",
    "operator.knative.dev": "KnativeEventing KnativeServing",
    "pgv2.percona.com": "PerconaPGCluster",
    "platform.confluent.io": "Connect ControlCenter Kafka KafkaRestProxy KafkaTopic KsqlDB SchemaRegistry Zookeeper",
    "ps.percona.com": "PerconaServerMySQL",
    "psmdb.percona.com": "PerconaServerMongoDB PerconaServerMongoDBBackup PerconaServerMongoDBRestore",
    "pxc.percona.com": "PerconaXtraDBCluster PerconaXtraDBClusterBackup PerconaXtraDBClusterRestore",
    "quay.redhat.com": "QuayRegistry",
    "rabbitmq.com": "Binding Exchange Permission Policy Queue User Vhost",
    "ray.io": "RayService",
    "services.cloud.sap.com": "ServiceBinding ServiceInstance",
    "serving.knative.dev": "Configuration DomainMapping Revision Route Service",
    "serving.kserve.io": "InferenceService",
    "snapshot.storage.k8s.io": "VolumeSnapshot VolumeSnapshotContent",
    "source.toolkit.fluxcd.io": "Bucket GitRepository HelmChart OCIRepository",
    "tekton.dev": "CustomRun PipelineRun Run TaskRun",
    "trust.cert-manager.io": "Bundle",
    "velero.io": "Backup BackupStorageLocation PodVolumeBackup PodVolumeRestore Restore",
}
_AWAITED: Final = frozenset((group, kind) for group, kinds in _KINDS.items() for kind in kinds.split())
_GROUP_ENDS: Final = (".k8s.elastic.co",)
"""Of groups that end so, every kind is awaited."""


def is_awaited(group: str, kind: str) -> bool:
    """Tell whether an object of this kind always comes to have a status that says how it is."""
    return (group, kind) in _AWAITED or group.endswith(_GROUP_ENDS)
