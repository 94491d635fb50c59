"""Which agents are connected to this gateway."""

from __future__ import annotations

from collections.abc import Iterator

from hub.fleet.session import Session


class Registry:
    """At most one session a cluster: the newest."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def of_cluster(self, cluster: str) -> Session | None:
        return self._sessions.get(cluster)

    def add(self, session: Session) -> None:
        """Register a session; one the cluster had before is told to go."""
        before = self._sessions.get(session.cluster)
        if before is not None:
            before.close("replaced", "another agent connected with this cluster's certificate")
        self._sessions[session.cluster] = session

    def remove(self, session: Session) -> bool:
        """Forget a session. False when a newer one has taken its place."""
        if self._sessions.get(session.cluster) is not session:
            return False
        del self._sessions[session.cluster]
        return True
