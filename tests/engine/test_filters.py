from __future__ import annotations

import pytest
import yaml

from agent.engine.filters import ResourceFilter, read_filter
from agent.engine.resource import GroupKind


def read(clusters: tuple[str, ...] = (), **data: str) -> tuple[ResourceFilter, list[str]]:
    def parse(text: str) -> object:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError("it is not YAML") from error

    return read_filter({f"resource.{key}": text for key, text in data.items()}, clusters, parse)


def excluded(filter: ResourceFilter, *kinds: str) -> list[bool]:
    names = (kind.partition(".") for kind in kinds)
    return [filter.excludes(GroupKind(group, kind)) for kind, _, group in names]


MADE_BY_CLUSTERS = [
    "Endpoints",
    "EndpointSlice.discovery.k8s.io",
    "Lease.coordination.k8s.io",
    "TokenReview.authentication.k8s.io",
    "SubjectAccessReview.authorization.k8s.io",
    "CertificateSigningRequest.certificates.k8s.io",
    "CertificateRequest.cert-manager.io",
    "Event",
    "Event.events.k8s.io",
]


def test_what_clusters_make_themselves_is_excluded_by_default() -> None:
    assert all(excluded(ResourceFilter(), *MADE_BY_CLUSTERS))
    others = [
        "ConfigMap",
        "Deployment.apps",
        "Certificate.cert-manager.io",
        "Endpoints.example.com",
        "Lease.example.com",
    ]
    assert not any(excluded(ResourceFilter(), *others))


def test_exclusions_take_the_place_of_the_default_ones_but_for_a_few() -> None:
    chosen, problems = read(exclusions="- apiGroups: ['*.cilium.io']\n  kinds: ['Cilium*']\n")
    assert problems == []
    assert excluded(chosen, "CiliumIdentity.v2.cilium.io", "Node.v2.cilium.io") == [True, False]
    assert excluded(chosen, *MADE_BY_CLUSTERS) == [False, False, True, *[False] * 4, True, True]
    for nothing in ("", "[]", "# none"):
        assert read(exclusions=nothing)[0] == ResourceFilter(())


def test_inclusions_exclude_everything_else() -> None:
    chosen, _ = read(inclusions="- kinds: [ConfigMap, Lease]\n- apiGroups: [apps]\n")
    assert excluded(chosen, "ConfigMap", "Deployment.apps", "Secret") == [False, False, True]
    assert excluded(chosen, "Lease.coordination.k8s.io") == [True], "exclusions come first"


@pytest.mark.parametrize(
    ("names", "expected"), [(("paris",), True), (("oslo", "https://10.1.1.1"), True), (("rome",), False), ((), False)]
)
def test_some_clusters_only(names: tuple[str, ...], expected: bool) -> None:
    chosen, _ = read(names, exclusions="- kinds: [Secret]\n  clusters: [par*, 'https://10.*']\n")
    assert chosen.excludes(GroupKind("", "Secret")) is expected


@pytest.mark.parametrize("wrong", ["a: [", "text", "{}", "kinds: [Secret]"])
def test_exclusions_that_cannot_be_read_leave_the_default_ones(wrong: str) -> None:
    chosen, problems = read(exclusions=wrong)
    assert chosen == ResourceFilter() and len(problems) == 1


@pytest.mark.parametrize("wrong", ["{}", "3", "{kinds: x}", "{kinds: [3]}", "{kind: [x]}", "{kinds: []}"])
def test_entries_that_cannot_be_read_take_no_others_with_them(wrong: str) -> None:
    chosen, problems = read(exclusions=f"- {wrong}\n- kinds: [Secret]\n")
    assert problems == ["resource.exclusions[0] is no mapping of apiGroups, kinds, clusters to lists of texts"]
    assert excluded(chosen, "Secret", "ConfigMap") == [True, False]


def test_no_glob_is_an_expression() -> None:
    chosen, _ = read(exclusions="- kinds: ['(Sec|x)ret', '[', 'S?cret']\n")
    assert excluded(chosen, "Secret", "xret") == [True, False]
