"""The pure part of the agent: it decides, and touches nothing.

Everything here is a function from values to values: no I/O, no clock of its own, no Kubernetes client.
What it decides is carried out by `agent.syncer`, through the protocols of `agent.kube`.

The road of one application:

1. `manifest_set` reads the list of resources the hub assigned.
2. `reconcile` pairs every target with what is live, and what is live and tracked with no target.
3. `tasks` orders the pairs into the steps of an operation (kind order, prune last).
4. `drift` and `diff` judge one object: what the API server would make of the assigned manifest, against what is there.
5. `health` says what state an object is in; `status` rolls objects up into the application.
6. `operation` decides whether to begin, retry or give up.
"""
