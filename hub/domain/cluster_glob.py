"""Whether a glob of a project means a cluster, by its name or its address."""

from __future__ import annotations

import re

from hub.domain.cluster import IN_CLUSTER_NAME, IN_CLUSTER_SERVER, Cluster
from hub.domain.glob import glob_match
from hub.domain.targeting import normal_server


def server_matches(pattern: str, cluster: Cluster) -> bool:
    """Say whether a glob, or an address however it is spelled, means a cluster's address; "" means none."""
    if not pattern:
        return False
    if cluster.name == IN_CLUSTER_NAME and glob_match(_server_rule(pattern), IN_CLUSTER_SERVER):
        return True
    return pattern == "*" or (bool(cluster.server) and glob_match(_server_rule(pattern), normal_server(cluster.server)))


def name_matches(pattern: str, cluster: Cluster) -> bool:
    """Say whether a glob matches a cluster's name; "" matches none."""
    return bool(pattern) and glob_match(pattern, cluster.name)


def _server_rule(pattern: str) -> str:
    return pattern if re.search(r"[*?\[{\\]", pattern) else normal_server(pattern)
