from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.application import Application, ApplicationId, ApplicationSpec, Destination, Override, Source
from hub.domain.cluster import Cluster
from hub.domain.selector import LabelSelector, parse_selector
from hub.domain.targeting import ClusterIndex, Targeting, is_hub_cluster, normal_server, targets
from hub.errors import Invalid
from hub.formats.overrides import apply_overrides

SOURCE = Source("https://x/y", path="a")
CLUSTERS = [
    Cluster("u3", "us-1", {"region": "us", "tier": "a"}, "https://10.0.0.3:6443"),
    Cluster("u1", "eu-1", {"region": "eu", "tier": "a"}, "https://10.0.0.1:6443"),
    Cluster("u2", "eu-2", {"region": "eu", "tier": "b"}, "https://EU-2.example.com/"),
    Cluster("u0", "in-cluster", {}, "https://kubernetes.default.svc"),
]


def an_application(
    *destinations: Destination, overrides: Sequence[Override] = (), sources: Sequence[Source] = (SOURCE,)
) -> Application:
    spec = ApplicationSpec("default", tuple(sources), destinations, tuple(overrides))
    return Application(ApplicationId("argocd", "a"), spec)


def targeting(
    *destinations: Destination, overrides: Sequence[Override] = (), clusters: Sequence[Cluster] = CLUSTERS
) -> Targeting:
    return targets(an_application(*destinations, overrides=overrides), clusters, apply_overrides)


def names(found: Targeting) -> list[str]:
    return [target.cluster.name for target in found.targets]


def selecting(text: str, namespace: str = "") -> Destination:
    return Destination(namespace, selector=parse_selector(text))


def test_by_name() -> None:
    found = targeting(Destination("n", name="eu-1"))
    (target,) = found.targets
    assert (target.cluster.uid, target.namespace, target.sources) == ("u1", "n", (SOURCE,))
    assert found.problems == found.unmatched == ()


@pytest.mark.parametrize(
    "server",
    ["https://10.0.0.1:6443", "https://10.0.0.1:6443/", "HTTPS://10.0.0.1:6443"],
)
def test_by_server(server: str) -> None:
    assert names(targeting(Destination(server=server))) == ["eu-1"]


@pytest.mark.parametrize(
    "server", ["https://eu-2.example.com", "https://eu-2.example.com:443/", "https://eu-2.example.com."]
)
def test_by_server_however_spelled(server: str) -> None:
    assert names(targeting(Destination(server=server))) == ["eu-2"]


@pytest.mark.parametrize(
    "server", ["http://eu-2.example.com", "https://eu-2.example.com:6443", "https://eu-2.example.com/k8s"]
)
def test_other_servers_are_others(server: str) -> None:
    assert names(targeting(Destination(server=server))) == []


@pytest.mark.parametrize(
    "destination",
    [
        Destination(name="in-cluster"),
        Destination(server="https://kubernetes.default.svc"),
        Destination(server="https://kubernetes.default.svc:443/"),
    ],
)
def test_the_hubs_own_cluster(destination: Destination) -> None:
    assert names(targeting(destination)) == ["in-cluster"]
    assert is_hub_cluster(name=destination.name, server=destination.server)
    found = targeting(destination, clusters=CLUSTERS[:3])
    assert found.targets == ()
    assert found.problems == (
        "the destination is the hub's own cluster, but no cluster is registered as in-cluster: register it with "
        "`escadre cluster add in-cluster`",
    )


def test_the_address_inside_a_cluster_never_means_another_one() -> None:
    """Every agent may report the address that it uses itself."""
    other = Cluster("u9", "other", {}, "https://kubernetes.default.svc")
    assert names(targeting(Destination(server="https://kubernetes.default.svc"), clusters=[other, *CLUSTERS])) == [
        "in-cluster"
    ]
    assert not is_hub_cluster(name="other", server="https://10.0.0.1")


def test_by_selector() -> None:
    assert names(targeting(selecting("region=eu"))) == ["eu-1", "eu-2"]
    assert names(targeting(selecting(""))) == ["eu-1", "eu-2", "in-cluster", "us-1"]
    assert names(targeting(selecting("tier in (b,c)"))) == ["eu-2"]


def test_a_selector_of_nothing_is_no_mistake() -> None:
    found = targeting(selecting("region=asia"))
    assert (found.targets, found.problems) == ((), ())
    assert found.unmatched == ("the selector 'region=asia' selects no registered cluster",)


def test_the_first_destination_wins() -> None:
    found = targeting(
        Destination("first", name="eu-2"), selecting("region=eu", "second"), Destination("third", name="eu-1")
    )
    assert [(t.cluster.name, t.namespace) for t in found.targets] == [("eu-2", "first"), ("eu-1", "second")]


@pytest.mark.parametrize(
    ("destination", "problem"),
    [
        (Destination(name="eu-3"), "no cluster named 'eu-3' is registered (did you mean eu-2 or eu-1?)"),
        (Destination(name="zz"), "no cluster named 'zz' is registered (there are eu-1, eu-2, in-cluster, us-1)"),
        (
            Destination(server="https://eu-3.example.com"),
            "no cluster with the address 'https://eu-3.example.com' is registered (did you mean https://eu-2.example.com?)",
        ),
    ],
)
def test_what_nothing_is_registered_for(destination: Destination, problem: str) -> None:
    found = targeting(destination, Destination(name="us-1"))
    assert names(found) == ["us-1"]
    assert found.problems == (problem,)


def test_with_nothing_registered() -> None:
    assert targeting(Destination(name="a"), clusters=[]).problems == ("no cluster named 'a' is registered (none is)",)


def test_many_clusters_are_not_all_listed() -> None:
    many = [Cluster(f"u{n}", f"c{n:03}") for n in range(100)]
    assert "c000, c001, c002, c003, c004 and 95 more" in targeting(Destination(name="zzz"), clusters=many).problems[0]


def test_an_address_of_several_clusters_means_none_of_them() -> None:
    twins = [Cluster("u1", "a", {}, "https://10.0.0.1"), Cluster("u2", "b", {}, "https://10.0.0.1/")]
    found = targeting(Destination(server="https://10.0.0.1"), clusters=twins)
    assert found.targets == ()
    assert found.problems == (
        "several clusters have the address https://10.0.0.1: name one of a, b in destination.name",
    )


class TestOverrides:
    def test_what_they_reach(self) -> None:
        found = targeting(
            selecting("", "n"),
            overrides=[
                Override(parse_selector("region=eu"), source={"targetRevision": "eu"}),
                Override(LabelSelector(), ("eu-2", "us-1"), "other", {"path": "b"}),
                Override(parse_selector("region=eu"), ("eu-1", "us-1"), source={"targetRevision": "eu-1"}),
            ],
        )
        assert {
            t.cluster.name: (t.namespace, t.sources[0].target_revision, t.sources[0].path) for t in found.targets
        } == {
            "eu-1": ("n", "eu-1", "a"),
            "eu-2": ("other", "eu", "b"),
            "in-cluster": ("n", "HEAD", "a"),
            "us-1": ("other", "HEAD", "b"),
        }

    def test_the_last_namespace_wins(self) -> None:
        overrides = [Override(LabelSelector(), namespace=namespace) for namespace in ("x", "y", "")]
        assert targeting(Destination("n", name="eu-1"), overrides=overrides).targets[0].namespace == "y"

    def test_each_combination_is_applied_once(self) -> None:
        calls: list[int] = []

        def counting(sources: Sequence[Source], overrides: Sequence[Override]) -> tuple[Source, ...]:
            calls.append(len(overrides))
            return apply_overrides(sources, overrides)

        many = [Cluster(f"u{n}", f"c{n}", {"half": str(n % 2)}) for n in range(100)]
        override = Override(parse_selector("half=1"), source={"path": "b"})
        found = targets(an_application(selecting(""), overrides=[override]), many, counting)
        assert calls == [1]
        assert len({id(target.sources) for target in found.targets}) == 2

    def test_what_cannot_be_applied_is_a_problem_of_those_clusters_only(self) -> None:
        def failing(sources: Sequence[Source], overrides: Sequence[Override]) -> tuple[Source, ...]:
            raise Invalid("it makes no sense")

        override = Override(parse_selector("region=eu"), source={"path": "b"})
        found = targets(an_application(selecting(""), overrides=[override]), CLUSTERS, failing)
        assert names(found) == ["in-cluster", "us-1"]
        assert found.problems == ("overrides 1 together, as on cluster eu-1: it makes no sense",)


def test_a_fleet_is_asked_quickly() -> None:
    fleet = [
        Cluster(f"u{n}", f"c{n}", {"region": f"r{n % 20}", "tier": f"t{n % 5}"}, f"https://c{n}.example.com")
        for n in range(1000)
    ]
    index = ClusterIndex(fleet)
    applications = [
        an_application(selecting(f"region=r{n % 20},tier in (t1,t2)"), Destination(name=f"c{n}")) for n in range(1000)
    ]
    began = time.process_time()
    found = [targets(application, index, apply_overrides) for application in applications]
    assert time.process_time() - began < 3
    assert all(len(one.targets) in (1, 50, 51) for one in found)


def test_equal_selectors_are_evaluated_once() -> None:
    index = ClusterIndex(CLUSTERS)
    assert index.selected(parse_selector("region=eu,tier=a")) is index.selected(parse_selector("tier=a,region=eu"))


@given(st.text(max_size=40))
def test_any_address_has_one_spelling(text: str) -> None:
    assert normal_server(normal_server(text)) == normal_server(text)


@pytest.mark.parametrize(
    ("server", "normal"),
    [
        ("https://[::1]:6443/", "https://[::1]:6443"),
        ("HTTPS://Host:443", "https://host"),
        ("http://host:80/", "http://host"),
        ("http://host:443", "http://host:443"),
        ("https://host:6443/a/b/", "https://host:6443/a/b"),
        ("https://host:port/", "https://host:port/"),
        ("nonsense/", "nonsense"),
    ],
)
def test_spellings(server: str, normal: str) -> None:
    assert normal_server(server) == normal
