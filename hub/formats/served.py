"""Fields of Argo CD's objects that Escadre knows of but does not act on, and what their owners should know.

They are reported when an object is applied, one by one and by their full path; one that comes to be served leaves
these tables. Tests hold the readers to them.
"""

from __future__ import annotations

APPLICATION = {
    "operation": "operations are asked for with `escadre app sync`, the field has no effect",
}

APPLICATION_SPEC = {
    "info": "it is kept with the application, but shown nowhere",
    "sourceHydrator": "manifests are rendered by the hub and not written back to Git",
}

METADATA = {
    "generateName": "an application needs a name of its own",
    "ownerReferences": "objects at the hub have no owners",
}

SOURCE = {
    "plugin": "config management plugins are not run",
    "tagPrefix": "a version range is matched against whole tag names",
}

HELM: dict[str, str] = {}

KUSTOMIZE = {
    "apiVersions": "the target cluster's own are used",
    "commonAnnotationsEnvsubst": "build variables are not put into annotations",
    "kubeVersion": "the target cluster's own is used",
    "version": "every build uses the Kustomize that the hub is configured with",
}

PROJECT_SPEC = {
    "destinationServiceAccounts": "an agent applies everything with its own service account",
    "permitOnlyProjectScopedClusters": "clusters are not scoped to projects; name them in destinations",
    "roles": "project roles are not granted; accounts get their roles from the hub",
    "signatureKeys": "commit signatures are not verified",
    "sourceIntegrity": "commit signatures are not verified",
    "sourceNamespaces": "applications of every namespace may use the project",
}

SETTINGS = {
    "accounts": "accounts are the hub's own, see `escadre account`",
    "admin.enabled": "accounts are the hub's own, see `escadre account`",
    "application.instanceLabelKey": "objects are tracked by Argo CD's annotation",
    "application.resourceTrackingMethod": "objects are tracked by Argo CD's annotation",
    "configManagementPlugins": "config management plugins are not run",
    "dex.config": "people log in to the hub with its own accounts",
    "exec.enabled": "nothing is executed in pods",
    "helm.valuesFileSchemes": "value files are read from the sources of the application only",
    "kustomize.buildOptions": "every build has the same options",
    "kustomize.path": "every build uses the Kustomize that the hub is configured with",
    "oidc.config": "people log in to the hub with its own accounts",
    "repositories": "repositories are registered with `escadre repo add`, or by Secrets that `escadre apply` takes",
    "repository.credentials": "credential templates are made with `escadre repocreds add`",
    "resource.customizations.knownTypeFields": "the API server itself says how a value is written",
    "resource.respectRBAC": "the agent watches the kinds that are assigned to it, and no others",
    "timeout.reconciliation": "how often Git is looked at is set with `escadre-hub serve --poll-seconds`",
    "timeout.reconciliation.jitter": "it is set with `escadre-hub serve --poll-jitter-seconds`",
    "url": "the hub's address is set with `escadre-hub serve --address`",
    "users": "accounts are the hub's own, see `escadre account`",
}
"""Keys of argocd-cm that are known and not served; what begins with one and a dot goes with it."""

SYNC_OPTIONS = {
    "ApplyOutOfSyncOnly": ("true", "false"),
    "ClientSideApplyMigration": ("true", "false"),
    "CreateNamespace": ("true", "false"),
    "Delete": ("true", "false", "confirm"),
    "FailOnSharedResource": ("true", "false"),
    "Force": ("true", "false"),
    "Prune": ("true", "false", "confirm"),
    "PruneLast": ("true", "false"),
    "PrunePropagationPolicy": ("foreground", "background", "orphan"),
    "Replace": ("true", "false"),
    "RespectIgnoreDifferences": ("true", "false"),
    "ServerSideApply": ("true", "false"),
    "SkipDryRunOnMissingResource": ("true", "false"),
    "Validate": ("true", "false"),
}
"""The sync options there are, with the values each takes."""

SYNC_OPTIONS_UNSERVED = {
    "ServerSideApply=false": "every apply is a server-side apply",
}
"""Sync options that are known and not served as they are meant. Those neither here nor unknown have their effect."""
