from __future__ import annotations

import pytest
from hypothesis import given

from hub.domain.application import HelmOptions, Override, Source
from hub.domain.selector import LabelSelector
from hub.formats.errors import FormatError
from hub.formats.overrides import apply_overrides, merge_patch
from tests.formats.strategies import JSON

SOURCE = Source("https://x/y", path="a", helm=HelmOptions(release_name="r", values_object={"a": 1, "b": {"c": 2}}))


def override(**source: object) -> Override:
    return Override(LabelSelector(), source=source)


def test_a_patch_changes_what_it_names_and_leaves_the_rest() -> None:
    patch = override(targetRevision="v2", helm={"valuesObject": {"a": None, "b": {"d": 3}}})
    (changed,) = apply_overrides([SOURCE], [patch])
    assert changed.target_revision == "v2"
    assert changed.helm == HelmOptions(release_name="r", values_object={"b": {"c": 2, "d": 3}})
    assert (changed.repo_url, changed.path) == (SOURCE.repo_url, SOURCE.path)


def test_later_ones_go_over_earlier_ones() -> None:
    (changed,) = apply_overrides([SOURCE], [override(targetRevision="v1", path="b"), override(targetRevision="v2")])
    assert (changed.target_revision, changed.path) == ("v2", "b")


def test_null_takes_a_tool_away() -> None:
    (changed,) = apply_overrides([SOURCE], [override(helm=None, kustomize={"namePrefix": "p-"})])
    assert changed.helm is None
    assert changed.kustomize is not None


def test_no_override_changes_nothing() -> None:
    assert apply_overrides([SOURCE], []) == (SOURCE,)
    assert apply_overrides([SOURCE], [Override(LabelSelector(), namespace="n")]) == (SOURCE,)


def test_one_of_several_sources_is_named() -> None:
    sources = [Source("https://x/y", path="a", name="main"), Source("https://x/z", path="b", name="extra")]
    main, extra = apply_overrides(sources, [override(name="extra", path="c")])
    assert (main, extra.path) == (sources[0], "c")


@pytest.mark.parametrize("patch", [override(path="c"), override(name="other"), override(name=5)])
def test_a_patch_that_names_none_of_them(patch: Override) -> None:
    sources = [Source("https://x/y", path="a", name="main"), Source("https://x/z", path="b")]
    with pytest.raises(FormatError, match="does not say which source it changes"):
        apply_overrides(sources, [patch])


def test_patches_that_make_no_sense_together() -> None:
    with pytest.raises(FormatError, match="options for helm and kustomize"):
        apply_overrides(
            [Source("https://x/y", path="a")],
            [override(helm={"releaseName": "r"}), override(kustomize={"namePrefix": "p"})],
        )


@given(JSON, JSON)
def test_merge_patch_is_rfc_7396(value: object, patch: object) -> None:
    merged = merge_patch(value, patch)
    assert merge_patch(merged, patch) == merged
    if isinstance(patch, dict) and isinstance(merged, dict):
        for key, item in patch.items():
            assert (key in merged) == (item is not None)
        if isinstance(value, dict):
            assert all(merged[key] == value[key] for key in value.keys() - patch.keys())
    else:
        assert merged == patch


@pytest.mark.parametrize(
    ("value", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, ["c"], ["c"]),
        ([1], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ],
)
def test_the_examples_of_rfc_7396(value: object, patch: object, merged: object) -> None:
    assert merge_patch(value, patch) == merged
