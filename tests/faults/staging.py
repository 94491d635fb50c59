"""Putting up a hub, an agent that has joined it, and the cluster that outlives both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.faults.far_cluster import far_cluster
from tests.faults.killing import Desk, MortalAgent, MortalHub, Point, Stage


@contextlib.contextmanager
def staged(root: Path, hub_points: Iterable[Point], agent_points: Iterable[Point]) -> Iterator[Stage]:
    """Run them, each to be killed at any of its points, while the context lasts."""
    hub = MortalHub(root, hub_points)
    with far_cluster() as cluster:
        hub.start()
        try:
            hub.wait_ready()
            desk = Desk(hub)
            joining = desk.post("clusters", {"name": "prod"})
            (root / "token").write_text(joining["token"])
            words = {
                "--hub": f"localhost:{hub.port}",
                "--ca-pin": joining["ca_pin"],
                "--token-file": root / "token",
                "--gateway": f"localhost:{hub.agent_port}",
                "--kubeconfig": cluster.write_kubeconfig(root / "kubeconfig"),
            }
            agent = MortalAgent(root, agent_points, *(str(word) for pair in words.items() for word in pair))
            agent.start()
            try:
                yield Stage(root, hub, agent, cluster, desk)
            finally:
                agent.kill()
        finally:
            hub.kill()
