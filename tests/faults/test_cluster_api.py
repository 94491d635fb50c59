"""The cluster's API away, throttling, slow, forbidding or rejecting: said of what and why, retried, nothing deleted.

On simulated clusters; test_cluster_api_real.py has what only a real API server does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agent.engine.resource import GroupKind
from agent.kube.client import Faults
from agent.kube.errors import KubeError, Rejected, Throttled
from agent.kube.simulated import SimulatedCluster
from hub.domain.operation import OperationPhase
from tests.faults.pair import ClusterPair
from tests.faults.waiting import answered
from tests.fleet.kit import Fleet, Repository
from tests.syncer.cluster import People, Tap, Trouble
from tests.syncer.harness import config_map
from tests.syncer.objects import secret

OK = Faults()


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    cluster = SimulatedCluster()
    yield cluster
    await cluster.close()


@pytest.fixture
def pair(fleet: Fleet, repository: Repository, cluster: SimulatedCluster) -> ClusterPair:
    # People are not touched by the faults that a request of the agent's meets: they have a tap of their own to look
    # through, and look when the faults are over.
    return ClusterPair(fleet, repository, Tap(cluster), People(cluster, "default"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Faults(down=True), "the API server does not answer (simulated) (Unreachable: see to the cluster's API server"),
        (Faults(throttle=True), "too many requests (simulated) (Throttled: the API server has more to do"),
        (Faults(error_rate=1.0), "answered 500 (simulated) (Unreachable: see to"),
    ],
    ids=["away", "throttling", "failing"],
)
async def test_a_cluster_that_cannot_be_reached_is_told_and_waited_for(
    pair: ClusterPair, cluster: SimulatedCluster, fault: Faults, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.syncer.patience.REQUEST_ATTEMPTS", 2)
    await pair.open(config_map("a", {"k": "1"}), config_map("b", {"k": "1"}))
    cluster.set_faults(fault)
    # What is gone from Git is not gone from the cluster until all the rest is there.
    revision = await pair.commit(config_map("a", {"k": "2"}), config_map("c", {"k": "2"}))
    operation = await pair.failed(OperationPhase.ERROR, words)
    assert "ConfigMap/default/a" in operation.message and "nothing was changed" in operation.message
    assert words in await pair.said("SyncError")
    cluster.set_faults(OK)
    assert await pair.data("a") == {"k": "1"}
    await pair.assert_nothing_was_deleted()
    await pair.arrived(pair.web, revision)
    await answered(pair.silent, "the conditions to go")
    assert await pair.data("a") == await pair.data("c") == {"k": "2"}
    assert pair.tap.named("delete") == ["ConfigMap/b"]


async def test_a_cluster_that_is_away_is_told_though_nothing_is_to_be_done(
    pair: ClusterPair, cluster: SimulatedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All would look as well as it did when it was last seen."""
    monkeypatch.setattr("agent.syncer.doubt.DOUBT_SECONDS", 1.0)
    await pair.open(config_map("a", {"k": "1"}), secret("s", k="v"))
    cluster.set_faults(Faults(down=True))
    message = await pair.said("ComparisonError", "may be otherwise than is told here")
    assert "does not answer" in message and "Unreachable: see to the cluster's API server" in message
    assert await pair.told(pair.other)
    cluster.set_faults(OK)
    await answered(pair.silent, "the condition to go", timeout=20)
    await pair.assert_nothing_was_deleted()


async def test_a_slow_cluster_only_takes_longer(pair: ClusterPair, cluster: SimulatedCluster) -> None:
    await pair.open(config_map("a", {"k": "1"}))
    cluster.set_faults(Faults(latency_seconds=0.3))
    revision = await pair.commit(*(config_map(name, {"k": "2"}) for name in "abcdefgh"))
    await pair.other_goes_on("2")
    await pair.converged(revision)
    status = await pair.status()
    assert status.operation is not None and status.operation.attempt == 1


async def test_a_cluster_that_fails_now_and_then_gets_there(pair: ClusterPair, cluster: SimulatedCluster) -> None:
    await pair.open(config_map("a", {"k": "1"}))
    cluster.set_faults(Faults(error_rate=0.3))
    revision = await pair.commit(*(config_map(name, {"k": "2"}) for name in "abcdefgh"))
    await pair.arrived(pair.web, revision, timeout=30)
    cluster.set_faults(OK)
    assert [await pair.data(name) for name in "abcdefgh"] == [{"k": "2"}] * 8
    await pair.assert_nothing_was_deleted()


async def test_one_object_that_is_rejected_leaves_all_as_it_was(pair: ClusterPair, cluster: SimulatedCluster) -> None:
    """The dry run says so before anything is changed; what was taken out of Git stays, too."""
    await pair.open(*(config_map(name, {"k": "1"}) for name in ("a", "b", "c", "gone")))
    cluster.set_faults(Faults(reject={pair.key("ConfigMap", "b"): "the policy says no"}))
    revision = await pair.commit(*(config_map(name, {"k": "2"}) for name in "abc"))
    operation = await pair.failed(OperationPhase.FAILED, "nothing was changed")
    assert operation.message.endswith(
        "ConfigMap/default/b: the policy says no (Rejected: correct the manifest, or what refuses it)"
    )
    assert [(r.key.name, r.message) for r in operation.results if r.status == "SyncFailed"] == [
        ("b", "the policy says no")
    ]
    assert await pair.said("SyncError") == operation.message
    await pair.other_goes_on("2")
    assert [await pair.data(name) for name in ("a", "b", "c", "gone")] == [{"k": "1"}] * 4
    await pair.assert_nothing_was_deleted()
    cluster.set_faults(OK)
    await pair.arrived(pair.web, revision)
    await answered(pair.silent, "the condition to go")
    assert pair.tap.named("delete") == ["ConfigMap/gone"]


async def test_a_write_that_is_refused_after_its_dry_run_prunes_nothing(pair: ClusterPair) -> None:
    """A quota, or a webhook that takes no part in dry runs: the others are there by then, and are told as synced. What
    is pruned last stays."""
    gone = config_map("gone", {"k": "1"})
    gone["metadata"]["annotations"] = {"argocd.argoproj.io/sync-options": "PruneLast=true"}
    await pair.open(*(config_map(name, {"k": "1"}) for name in ("a", "b", "c")), gone)
    pair.tap.trouble = _refuse_to_write("b", Rejected("exceeded quota: small"))
    revision = await pair.commit(*(config_map(name, {"k": "2"}) for name in "abc"))
    operation = await pair.failed(OperationPhase.FAILED, "exceeded quota: small (Rejected:")
    assert {(r.key.name, r.status) for r in operation.results} == {
        ("a", "Synced"), ("b", "SyncFailed"), ("c", "Synced")
    }  # fmt: skip
    await answered(lambda: _not_fine(pair, {"b", "gone"}), "what differs to be told")
    assert [await pair.data(name) for name in ("a", "b", "c", "gone")] == [
        {"k": "2"},
        {"k": "1"},
        {"k": "2"},
        {"k": "1"},
    ]
    await pair.other_goes_on("2")
    await pair.assert_nothing_was_deleted()
    pair.tap.trouble = None
    await pair.arrived(pair.web, revision)
    await answered(pair.silent, "the condition to go")
    assert pair.tap.named("delete") == ["ConfigMap/gone"]


async def test_a_heal_that_is_refused_is_told_and_made_good(pair: ClusterPair, cluster: SimulatedCluster) -> None:
    await pair.open(config_map("a", {"k": "1"}), config_map("b", {"k": "1"}))
    pair.tap.trouble = _refuse_to_write("a", Throttled("too many requests", retry_after=0.1))
    await cluster.edit(pair.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    assert "ConfigMap/default/a: too many requests (Throttled" in await pair.said("SyncError")
    await pair.other_goes_on("2")
    pair.tap.trouble = None
    await answered(pair.silent, "the condition to go", timeout=20)
    assert await pair.data("a") == {"k": "1"}
    await pair.assert_nothing_was_deleted()


async def test_a_kind_that_is_forbidden_is_told_and_nothing_else_is_touched(
    pair: ClusterPair, cluster: SimulatedCluster
) -> None:
    """First to be written, then, by an agent that starts anew, even to be seen."""
    await pair.open(config_map("a", {"k": "1"}), secret("s", k="1"))
    cluster.set_faults(Faults(forbid=frozenset({GroupKind("", "Secret")})))
    revision = await pair.commit(config_map("a", {"k": "2"}), config_map("new", {"k": "2"}))
    await pair.fleet.stop_agent("c0")
    pair.fleet.start_agent("c0")
    message = await pair.said("ComparisonError", "secrets is forbidden")
    assert "nothing is pruned until they are" in message and "Forbidden: grant this to the agent's account" in message
    await pair.other_goes_on("2")
    # Whether the Secret is still there cannot be seen, so nothing is done for or against it.
    assert pair.tap.named("delete") == []
    cluster.set_faults(OK)
    assert await pair.data("a") == {"k": "1"} and await pair.data("new") is None
    await pair.arrived(pair.web, revision)
    await answered(pair.silent, "the condition to go")
    assert pair.tap.named("delete") == ["Secret/s"]


async def _not_fine(pair: ClusterPair, names: set[str]) -> bool:
    return {r.key.name for r in (await pair.status()).resources} == names


def _refuse_to_write(name: str, error: KubeError) -> Trouble:
    return lambda call: error if call.writes and call.name == name else None
