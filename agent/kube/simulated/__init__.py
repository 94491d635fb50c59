"""A Kubernetes API server in memory: for trying the product without a cluster, for scale runs, and for fast tests."""

from agent.kube.simulated.cluster import SimulatedCluster

__all__ = ["SimulatedCluster"]
