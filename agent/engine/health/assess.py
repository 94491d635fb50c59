"""The health of any object: which rule judges which kind, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.engine.health import cloudnativepg, olm, shipwright
from agent.engine.health.ack import ack
from agent.engine.health.acme import acme
from agent.engine.health.apiservice import apiservice
from agent.engine.health.application import application
from agent.engine.health.applicationset import applicationset
from agent.engine.health.atlas import atlas
from agent.engine.health.awaited import is_awaited
from agent.engine.health.cephcluster import cephcluster
from agent.engine.health.cloneset import cloneset
from agent.engine.health.clustertemplateinstance import clustertemplateinstance
from agent.engine.health.configconnector import configconnector
from agent.engine.health.conventions import by_conventions
from agent.engine.health.cronjob import cronjob
from agent.engine.health.crossplane import crossplane
from agent.engine.health.customresourcedefinition import customresourcedefinition
from agent.engine.health.daemonset import daemonset
from agent.engine.health.datavolume import datavolume
from agent.engine.health.deployment import deployment
from agent.engine.health.flinkdeployment import flinkdeployment
from agent.engine.health.gateway import gateway
from agent.engine.health.horizontalpodautoscaler import horizontalpodautoscaler
from agent.engine.health.httpproxy import httpproxy
from agent.engine.health.ingress import ingress
from agent.engine.health.innodbcluster import innodbcluster
from agent.engine.health.job import job
from agent.engine.health.kafkarebalance import kafkarebalance
from agent.engine.health.keycloaklegacy import keycloaklegacy
from agent.engine.health.kruiserollout import kruiserollout
from agent.engine.health.longhornvolume import longhornvolume
from agent.engine.health.machine import machine
from agent.engine.health.miniotenant import miniotenant
from agent.engine.health.model import Health, progressing, unknown
from agent.engine.health.namespace import namespace
from agent.engine.health.nginx import nginx
from agent.engine.health.openclusterpolicy import openclusterpolicy
from agent.engine.health.openshiftroute import openshiftroute
from agent.engine.health.overrides import NO_OVERRIDES, Overrides
from agent.engine.health.persistentvolume import persistentvolume
from agent.engine.health.persistentvolumeclaim import persistentvolumeclaim
from agent.engine.health.pod import pod
from agent.engine.health.poddisruptionbudget import poddisruptionbudget
from agent.engine.health.prometheus import prometheus
from agent.engine.health.rabbitmqcluster import rabbitmqcluster
from agent.engine.health.ray import raycluster, rayjob
from agent.engine.health.reading import Malformed, View, with_cause
from agent.engine.health.replicaset import replicaset
from agent.engine.health.rollout import rollout
from agent.engine.health.route import route
from agent.engine.health.service import service
from agent.engine.health.sopssecret import sopssecret
from agent.engine.health.sparkapplication import sparkapplication
from agent.engine.health.statefulset import statefulset
from agent.engine.health.virtualmachine import virtualmachine, virtualmachineinstance
from agent.engine.health.workflow import workflow
from agent.engine.resource import GroupKind, Object, split_api_version

IGNORE_HEALTHCHECK: Final = "argocd.argoproj.io/ignore-healthcheck"

Rule = Callable[[View], Health]

RULES: Final[dict[GroupKind, Rule]] = {
    GroupKind("", "Namespace"): namespace,
    GroupKind("", "PersistentVolume"): persistentvolume,
    GroupKind("", "PersistentVolumeClaim"): persistentvolumeclaim,
    GroupKind("", "Pod"): pod,
    GroupKind("", "ReplicationController"): replicaset,
    GroupKind("", "Service"): service,
    GroupKind("acme.cert-manager.io", "Challenge"): acme,
    GroupKind("acme.cert-manager.io", "Order"): acme,
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"): customresourcedefinition,
    GroupKind("apiregistration.k8s.io", "APIService"): apiservice,
    GroupKind("apps", "DaemonSet"): daemonset,
    GroupKind("apps", "Deployment"): deployment,
    GroupKind("apps", "ReplicaSet"): replicaset,
    GroupKind("apps", "StatefulSet"): statefulset,
    GroupKind("apps.kruise.io", "CloneSet"): cloneset,
    GroupKind("apps.kruise.io", "DaemonSet"): daemonset,
    GroupKind("apps.kruise.io", "StatefulSet"): statefulset,
    GroupKind("argoproj.io", "AnalysisRun"): workflow,
    GroupKind("argoproj.io", "Application"): application,
    GroupKind("argoproj.io", "ApplicationSet"): applicationset,
    GroupKind("argoproj.io", "Experiment"): workflow,
    GroupKind("argoproj.io", "Rollout"): rollout,
    GroupKind("argoproj.io", "Workflow"): workflow,
    GroupKind("autoscaling", "HorizontalPodAutoscaler"): horizontalpodautoscaler,
    GroupKind("batch", "CronJob"): cronjob,
    GroupKind("batch", "Job"): job,
    GroupKind("cdi.kubevirt.io", "DataVolume"): datavolume,
    GroupKind("ceph.rook.io", "CephCluster"): cephcluster,
    GroupKind("cluster.x-k8s.io", "Machine"): machine,
    GroupKind("clustertemplate.openshift.io", "ClusterTemplateInstance"): clustertemplateinstance,
    GroupKind("db.atlasgo.io", "AtlasMigration"): atlas,
    GroupKind("db.atlasgo.io", "AtlasSchema"): atlas,
    GroupKind("extensions", "Ingress"): ingress,
    GroupKind("flink.apache.org", "FlinkDeployment"): flinkdeployment,
    GroupKind("gateway.networking.k8s.io", "GRPCRoute"): route,
    GroupKind("gateway.networking.k8s.io", "Gateway"): gateway,
    GroupKind("gateway.networking.k8s.io", "HTTPRoute"): route,
    GroupKind("gateway.networking.k8s.io", "TCPRoute"): route,
    GroupKind("gateway.networking.k8s.io", "TLSRoute"): route,
    GroupKind("gateway.networking.k8s.io", "UDPRoute"): route,
    GroupKind("isindir.github.com", "SopsSecret"): sopssecret,
    GroupKind("k8s.nginx.org", "Policy"): nginx,
    GroupKind("k8s.nginx.org", "TransportServer"): nginx,
    GroupKind("k8s.nginx.org", "VirtualServer"): nginx,
    GroupKind("k8s.nginx.org", "VirtualServerRoute"): nginx,
    GroupKind("kafka.strimzi.io", "KafkaRebalance"): kafkarebalance,
    GroupKind("keycloak.org", "Keycloak"): keycloaklegacy,
    GroupKind("keycloak.org", "KeycloakBackup"): keycloaklegacy,
    GroupKind("keycloak.org", "KeycloakClient"): keycloaklegacy,
    GroupKind("keycloak.org", "KeycloakRealm"): keycloaklegacy,
    GroupKind("keycloak.org", "KeycloakUser"): keycloaklegacy,
    GroupKind("kubevirt.io", "VirtualMachine"): virtualmachine,
    GroupKind("kubevirt.io", "VirtualMachineInstance"): virtualmachineinstance,
    GroupKind("longhorn.io", "Volume"): longhornvolume,
    GroupKind("machine.openshift.io", "Machine"): machine,
    GroupKind("minio.min.io", "Tenant"): miniotenant,
    GroupKind("monitoring.coreos.com", "Alertmanager"): prometheus,
    GroupKind("monitoring.coreos.com", "Prometheus"): prometheus,
    GroupKind("monitoring.coreos.com", "PrometheusAgent"): prometheus,
    GroupKind("monitoring.coreos.com", "ThanosRuler"): prometheus,
    GroupKind("mysql.oracle.com", "InnoDBCluster"): innodbcluster,
    GroupKind("networking.k8s.io", "Ingress"): ingress,
    GroupKind("operators.coreos.com", "CatalogSource"): olm.catalogsource,
    GroupKind("operators.coreos.com", "ClusterServiceVersion"): olm.clusterserviceversion,
    GroupKind("operators.coreos.com", "InstallPlan"): olm.installplan,
    GroupKind("operators.coreos.com", "Subscription"): olm.subscription,
    GroupKind("policy", "PodDisruptionBudget"): poddisruptionbudget,
    GroupKind("policy.open-cluster-management.io", "CertificatePolicy"): openclusterpolicy,
    GroupKind("policy.open-cluster-management.io", "ConfigurationPolicy"): openclusterpolicy,
    GroupKind("policy.open-cluster-management.io", "OperatorPolicy"): openclusterpolicy,
    GroupKind("policy.open-cluster-management.io", "Policy"): openclusterpolicy,
    GroupKind("postgresql.cnpg.io", "Cluster"): cloudnativepg.cluster,
    GroupKind("postgresql.cnpg.io", "Database"): cloudnativepg.declared,
    GroupKind("postgresql.cnpg.io", "Publication"): cloudnativepg.declared,
    GroupKind("postgresql.cnpg.io", "Subscription"): cloudnativepg.declared,
    GroupKind("projectcontour.io", "HTTPProxy"): httpproxy,
    GroupKind("rabbitmq.com", "RabbitmqCluster"): rabbitmqcluster,
    GroupKind("ray.io", "RayCluster"): raycluster,
    GroupKind("ray.io", "RayJob"): rayjob,
    GroupKind("rollouts.kruise.io", "Rollout"): kruiserollout,
    GroupKind("route.openshift.io", "Route"): openshiftroute,
    GroupKind("shipwright.io", "Build"): shipwright.build,
    GroupKind("shipwright.io", "BuildRun"): shipwright.buildrun,
    GroupKind("sparkoperator.k8s.io", "SparkApplication"): sparkapplication,
}

GROUP_RULES: Final[dict[str, Rule]] = {
    ".cnrm.cloud.google.com": configconnector,
    ".crossplane.io": crossplane,
    ".services.k8s.aws": ack,
    ".upbound.io": crossplane,
}
"""By how a group ends, for operators that have a group for every service of a cloud."""

_BUILT_IN_GROUPS: Final = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "extensions",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    }
)
"""Groups of Kubernetes itself, whose kinds without a rule have no health: ConfigMap, Secret, Role, StorageClass."""


def assess(obj: Object, overrides: Overrides = NO_OVERRIDES) -> Health | None:
    """Say what state a live object is in; None for a kind that has no health of its own, which counts as fine.

    `overrides` are asked before the rules of the kinds. Never raises: of an object that cannot be read the health is
    Unknown, and the message names the field.
    """
    view = View(obj)
    try:
        return _assess(view, overrides)
    except Malformed as problem:
        return unknown(f"the object cannot be read: {problem}")


def _assess(view: View, overrides: Overrides) -> Health | None:
    metadata = view.map("metadata")
    if metadata.has("deletionTimestamp"):
        return _being_deleted(view, metadata)
    group, _ = split_api_version(view.text("apiVersion"))
    override = overrides.find(group, view.text("kind"))
    if override is not None:
        return override(view.data)
    rule = RULES.get(GroupKind(group, view.text("kind")))
    if rule is not None:
        return rule(view)
    if group in _BUILT_IN_GROUPS:
        return None
    for end, of_group in GROUP_RULES.items():
        if group.endswith(end) and group != "core.cnrm.cloud.google.com":
            return of_group(view)
    return by_conventions(view, awaited=is_awaited(group, view.text("kind")))


def _being_deleted(view: View, metadata: View) -> Health:
    message = f"being deleted since {metadata.text('deletionTimestamp')}"
    finalizers = [text for text in metadata.items("finalizers") if isinstance(text, str)]
    waiting = f"held by finalizers {', '.join(finalizers)}" if finalizers else ""
    inner = namespace(view).message if view.text("kind") == "Namespace" else ""
    return progressing(with_cause(message, waiting, inner))


def is_ignored(obj: Object) -> bool:
    """Tell whether an object asks not to be counted in the health of its application."""
    try:
        return View(obj).annotation(IGNORE_HEALTHCHECK) == "true"
    except Malformed:
        return False
