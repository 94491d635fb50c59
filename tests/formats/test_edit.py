from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.formats.application import parse_application
from hub.formats.edit import ApplicationFlags, build_application, set_flags
from hub.formats.errors import FormatError
from tests.formats.strategies import APPLICATIONS
from tests.search import examples

PLAIN = ApplicationFlags(
    name="guestbook",
    repo="https://github.com/org/repo",
    path="guestbook",
    dest_server="https://kubernetes.default.svc",
    dest_namespace="default",
)
BASE = build_application(PLAIN)
SEVERAL = {
    **BASE,
    "spec": {"sources": [{"repoURL": "https://x/a", "path": "."}, {"repoURL": "https://x/b", "path": "."}]},
}


def changed(manifest: dict[str, Any], **flags: Any) -> dict[str, Any]:
    before = copy.deepcopy(manifest)
    result = set_flags(manifest, ApplicationFlags(**flags))
    assert manifest == before
    changed_part: dict[str, Any] = result["metadata" if "labels" in flags or "annotations" in flags else "spec"]
    return changed_part


def with_spec(**spec: Any) -> dict[str, Any]:
    return {**BASE, "spec": {**BASE["spec"], **spec}}


def test_build() -> None:
    assert BASE == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "guestbook"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://github.com/org/repo", "path": "guestbook"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "default"},
        },
    }
    assert parse_application(BASE, strict=True).warnings == []


def test_build_with_everything() -> None:
    built = build_application(
        ApplicationFlags(
            name="a",
            namespace="team",
            project="p",
            repo="https://x/y",
            path=".",
            revision="v1",
            dest_selectors=("region=eu,tier in (a,b),!old",),
            dest_namespace="n",
            sync_policy="automated",
            auto_prune=True,
            self_heal=True,
            allow_empty=False,
            sync_options=("CreateNamespace=true",),
            helm_set=("a=1", "b=x=y"),
            helm_set_string=("c=2",),
            values=("values.yaml",),
            values_literal="d: 1\n",
            release_name="r",
            labels=("team=a",),
            annotations=("example.com/note=x",),
            revision_history_limit=3,
        )
    )
    application = parse_application(built, strict=True).value
    assert built["metadata"] == {
        "name": "a",
        "namespace": "team",
        "labels": {"team": "a"},
        "annotations": {"example.com/note": "x"},
    }
    assert built["spec"]["source"]["helm"] == {
        "releaseName": "r",
        "valueFiles": ["values.yaml"],
        "values": "d: 1\n",
        "parameters": [
            {"name": "a", "value": "1"},
            {"name": "b", "value": "x=y"},
            {"name": "c", "value": "2", "forceString": True},
        ],
    }
    assert built["spec"]["syncPolicy"] == {
        "automated": {"prune": True, "selfHeal": True, "allowEmpty": False},
        "syncOptions": ["CreateNamespace=true"],
    }
    (destination,) = application.spec.destinations
    assert str(destination.selector) == "region=eu,tier in (a,b),!old"
    assert destination.namespace == "n"


def test_no_flags_change_nothing() -> None:
    assert set_flags(BASE, ApplicationFlags()) == BASE
    assert set_flags(SEVERAL, ApplicationFlags()) == SEVERAL


def test_one_field_leaves_the_rest() -> None:
    manifest = with_spec(info=[{"name": "a"}], syncPolicy={"retry": {"limit": 1}})
    assert changed(manifest, revision="v2") == {
        **manifest["spec"],
        "source": {**manifest["spec"]["source"], "targetRevision": "v2"},
    }


class TestSources:
    def test_one_of_several(self) -> None:
        assert changed(SEVERAL, source_position=2, path="b")["sources"] == [
            {"repoURL": "https://x/a", "path": "."},
            {"repoURL": "https://x/b", "path": "b"},
        ]

    @pytest.mark.parametrize(
        ("manifest", "position", "problem"),
        [
            (SEVERAL, None, "2 sources: say which with --source-position"),
            (SEVERAL, 0, "2 sources, so there is none at position 0"),
            (SEVERAL, 3, "2 sources, so there is none at position 3"),
            (BASE, 2, "one source, so there is none at position 2"),
        ],
    )
    def test_positions(self, manifest: dict[str, Any], position: int | None, problem: str) -> None:
        with pytest.raises(FormatError, match=problem):
            changed(manifest, source_position=position, path="b")

    def test_parameters_replace_their_namesakes(self) -> None:
        helm = {"parameters": [{"name": "a", "value": "1", "forceString": True}, {"name": "b", "value": "2"}]}
        manifest = with_spec(source={"repoURL": "https://x/y", "path": ".", "helm": helm})
        assert changed(manifest, helm_set=("a=3", "c=4"))["source"]["helm"]["parameters"] == [
            {"name": "a", "value": "3"},
            {"name": "b", "value": "2"},
            {"name": "c", "value": "4"},
        ]

    def test_literal_values_take_the_place_of_others(self) -> None:
        manifest = with_spec(source={"repoURL": "https://x/y", "path": ".", "helm": {"valuesObject": {"a": 1}}})
        assert changed(manifest, values_literal="b: 2")["source"]["helm"] == {"values": "b: 2"}

    @pytest.mark.parametrize(
        ("present", "given", "outcome"),
        [
            ([], "ghcr.io/a:2", ["ghcr.io/a:2"]),
            (["ghcr.io/a:1", "b"], "ghcr.io/a:2", ["ghcr.io/a:2", "b"]),
            (["ghcr.io/a@sha256:00"], "ghcr.io/a:2", ["ghcr.io/a:2"]),
            (["a=ghcr.io/a:1"], "a=ghcr.io/a:2", ["a=ghcr.io/a:2"]),
            (["host:5000/a:1"], "host:5000/a:2", ["host:5000/a:2"]),
            (["host:5000/a:1"], "host:5000/b:2", ["host:5000/a:1", "host:5000/b:2"]),
        ],
    )
    def test_images_replace_their_namesakes(self, present: list[str], given: str, outcome: list[str]) -> None:
        manifest = with_spec(source={"repoURL": "https://x/y", "path": ".", "kustomize": {"images": present}})
        assert changed(manifest, kustomize_images=(given,))["source"]["kustomize"]["images"] == outcome

    def test_kustomize_and_directory(self) -> None:
        kustomize = changed(BASE, name_prefix="a-", name_suffix="-b")["source"]["kustomize"]
        assert kustomize == {"namePrefix": "a-", "nameSuffix": "-b"}
        directory = changed(BASE, directory_recurse=True, directory_include="*.yaml", directory_exclude="x")["source"]
        assert directory["directory"] == {"recurse": True, "include": "*.yaml", "exclude": "x"}


class TestDestinations:
    def test_a_name_takes_the_place_of_a_server(self) -> None:
        assert changed(BASE, dest_name="eu-1")["destination"] == {"name": "eu-1", "namespace": "default"}

    def test_a_namespace_alone(self) -> None:
        assert changed(BASE, dest_namespace="other")["destination"] == {
            **BASE["spec"]["destination"],
            "namespace": "other",
        }
        manifest = {**BASE, "spec": {"destinations": [{"name": "a"}, {"name": "b", "namespace": "x"}]}}
        assert changed(manifest, dest_namespace="n")["destinations"] == [
            {"name": "a", "namespace": "n"},
            {"name": "b", "namespace": "n"},
        ]

    def test_selectors_take_the_place_of_one_and_back(self) -> None:
        selecting = set_flags(BASE, ApplicationFlags(dest_selectors=("env=prod", "!old")))
        assert "destination" not in selecting["spec"]
        assert selecting["spec"]["destinations"] == [
            {"selector": {"matchLabels": {"env": "prod"}}, "namespace": "default"},
            {"selector": {"matchExpressions": [{"key": "old", "operator": "DoesNotExist"}]}, "namespace": "default"},
        ]
        assert changed(selecting, dest_name="a")["destination"] == {"name": "a", "namespace": "default"}
        assert "destinations" not in changed(selecting, dest_name="a")

    def test_two_ways_at_once(self) -> None:
        with pytest.raises(FormatError, match="--dest-server and --dest-name are both given"):
            changed(BASE, dest_name="a", dest_server="https://b")

    def test_a_selector_that_is_none(self) -> None:
        with pytest.raises(FormatError, match="--dest-selector: 'a b' is not part of a label selector"):
            changed(BASE, dest_selectors=("a b",))

    @pytest.mark.parametrize("empty", ["", "  "])
    def test_an_empty_selector_is_not_every_cluster(self, empty: str) -> None:
        with pytest.raises(FormatError, match="--dest-selector is empty, which would be every cluster: give labels"):
            changed(BASE, dest_selectors=("env=prod", empty))


class TestSyncPolicy:
    @pytest.mark.parametrize("word", ["automated", "auto", "Automatic", "true"])
    @pytest.mark.parametrize(
        "present", [None, {"automated": None}, {"automated": {"enabled": False}}, {"automated": "manual"}]
    )
    def test_on(self, word: str, present: Any) -> None:
        assert changed(with_spec(syncPolicy=present), sync_policy=word)["syncPolicy"] == {"automated": {}}

    def test_on_keeps_how(self) -> None:
        manifest = with_spec(syncPolicy={"automated": {"prune": True}})
        assert changed(manifest, sync_policy="auto", self_heal=True)["syncPolicy"]["automated"] == {
            "prune": True,
            "selfHeal": True,
        }

    @pytest.mark.parametrize("word", ["manual", "none", "false"])
    def test_off(self, word: str) -> None:
        assert "syncPolicy" not in changed(with_spec(syncPolicy={"automated": {}}), sync_policy=word)
        kept = changed(with_spec(syncPolicy={"automated": {}, "syncOptions": ["a=b"]}), sync_policy=word)
        assert kept["syncPolicy"] == {"syncOptions": ["a=b"]}
        assert "syncPolicy" not in changed(BASE, sync_policy=word)

    def test_an_unknown_word(self) -> None:
        with pytest.raises(FormatError, match="--sync-policy 'maybe' is unknown"):
            changed(BASE, sync_policy="maybe")

    @pytest.mark.parametrize(
        "present", [None, {}, {"automated": None}, {"automated": {"enabled": False}}, {"automated": "none"}]
    )
    def test_details_need_automation(self, present: Any) -> None:
        with pytest.raises(FormatError, match="give --sync-policy automated, too"):
            changed(with_spec(syncPolicy=present), auto_prune=True)

    @pytest.mark.parametrize("present", [{}, True, "auto"])
    def test_details_of_automation_however_written(self, present: Any) -> None:
        manifest = with_spec(syncPolicy={"automated": present})
        assert changed(manifest, auto_prune=True)["syncPolicy"]["automated"] == {"prune": True}

    def test_options(self) -> None:
        manifest = with_spec(syncPolicy={"syncOptions": ["CreateNamespace=true", "Prune=false"]})
        given = ("CreateNamespace=false", "!Prune", "Replace=true", "!Missing=true")
        assert changed(manifest, sync_options=given)["syncPolicy"]["syncOptions"] == [
            "CreateNamespace=false",
            "Replace=true",
        ]


def test_labels_and_annotations() -> None:
    manifest = {**BASE, "metadata": {"name": "a", "labels": {"x": "1", "old": "2"}}}
    assert changed(manifest, labels=("x=3", "old-", "missing-", "new="))["labels"] == {"x": "3", "new": ""}
    assert changed(manifest, annotations=("a/b=c=d",))["annotations"] == {"a/b": "c=d"}


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"helm_set": ("a",)}, "--helm-set 'a' is not of the form name=value"),
        ({"helm_set_string": ("=a",)}, "--helm-set-string '=a' is not"),
        ({"labels": ("a",)}, "--label 'a' is not"),
        ({"annotations": ("a",)}, "--annotation 'a' is not"),
    ],
)
def test_pairs_that_are_none(flags: dict[str, Any], problem: str) -> None:
    with pytest.raises(FormatError, match=problem):
        changed(BASE, **flags)


@pytest.mark.parametrize(
    ("manifest", "flags"),
    [
        ({"spec": []}, {"path": "a"}),
        ({"spec": {"source": "x"}}, {"path": "a"}),
        ({"spec": {"sources": ["x"]}}, {"path": "a"}),
        ({"spec": {"source": {"helm": {"parameters": {}}}}}, {"helm_set": ("a=b",)}),
        ({"spec": {"syncPolicy": "auto"}}, {"sync_options": ("a=b",)}),
        ({"metadata": {"labels": []}}, {"labels": ("a=b",)}),
    ],
)
def test_objects_that_make_no_sense(manifest: dict[str, Any], flags: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="is not a"):
        changed(manifest, **flags)


@examples(50)
@given(
    APPLICATIONS, st.sampled_from([{"path": "zz"}, {"dest_name": "zz"}, {"sync_policy": "auto", "auto_prune": True}])
)
def test_the_outcome_can_be_read(value: dict[str, Any], flags: dict[str, Any]) -> None:
    result = set_flags(value, ApplicationFlags(source_position=1, **flags))
    spec = parse_application(result).value.spec
    assert {
        "path": spec.sources[0].path == "zz",
        "dest_name": [d.name for d in spec.destinations] == ["zz"],
        "sync_policy": spec.sync_policy.automated is not None and spec.sync_policy.automated.prune,
    }[next(iter(flags))]
