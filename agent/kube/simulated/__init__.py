"""A Kubernetes API server in memory: for trying the product without a cluster, for scale runs, and for fast tests.

It does what a real server does with everything the agent uses, and is held to it: one contract suite runs over both,
and random writes must have the same outcome on both, down to who manages which field (tests/kube). What it leaves
out: CEL rules and patterns of schemas, admission webhooks, quotas, RBAC, the pods' insides.

    cluster      SimulatedCluster: the methods of KubeClient, faults, and what people do behind the agent's back
    control      a socket through which another process does the same
    writes       apply, create, replace, patch
      merge        the movements of server-side apply: merge, prune, compare
      fields       sets of fields, as managedFields writes them
      ownership    the entries of managedFields
      admission    types, defaults, checks: what happens to every object on its way in
    predict      what an apply would give, from two objects alone (account: who set what in the live one)
    collector    delete: finalizers, owners, namespaces, definitions
    controllers  what makes workloads come up, or visibly fail to
    storage      objects, versions, and the log of changes that watch reads
    registry     the kinds served: kinds (built in), and what definitions add (structural)
    types        the built-in types: schema says how each place merges, types.json comes from a real server
    persistence  the same cluster after a restart (restore)
"""

from agent.kube.simulated.cluster import SimulatedCluster

__all__ = ["SimulatedCluster"]
