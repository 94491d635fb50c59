from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.manifest import ManifestSet, ResourceKey, digest_of
from hub.render.errors import RenderError
from hub.render.model import RenderLimits
from hub.render.normalize import Found, Normalizer


def normalize(*values: Any, limits: RenderLimits = RenderLimits()) -> tuple[ManifestSet, dict[str, bytes], list[str]]:  # noqa: B008
    normalizer = Normalizer(limits)
    normalizer.add(Found(value, "f.yaml", 10 + index) for index, value in enumerate(values))
    return normalizer.finish()


def objects(*values: Any) -> list[Any]:
    manifest_set, blobs, _ = normalize(*values)
    return [json.loads(blobs[entry.digest]) for entry in manifest_set.entries]


def thing(name: str = "n", kind: str = "ConfigMap", api_version: str = "v1", **more: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}} | more


def test_an_entry_names_the_object_and_its_content() -> None:
    manifest_set, blobs, warnings = normalize(
        thing("web", "Deployment", "apps/v1", metadata={"name": "web", "namespace": "shop"})
    )
    (entry,) = manifest_set.entries
    assert entry.key == ResourceKey("apps", "Deployment", "shop", "web")
    assert entry.version == "v1"
    content = b'{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"}}'
    assert blobs == {entry.digest: content}
    assert (entry.digest, entry.size) == (digest_of(content), len(content))
    assert warnings == []


def test_what_a_cluster_writes_is_left_out() -> None:
    (value,) = objects(
        thing(metadata={"name": "n", "creationTimestamp": None}, status={"phase": "x"}, spec={"status": "kept"})
    )
    assert value == thing(spec={"status": "kept"})


def test_a_given_creation_time_is_not_ours_to_remove() -> None:
    assert objects(thing(metadata={"name": "n", "creationTimestamp": "2020-01-01T00:00:00Z"}))[0]["metadata"] == {
        "name": "n",
        "creationTimestamp": "2020-01-01T00:00:00Z",
    }


def test_order_is_that_of_the_sources_and_spelling_is_canonical() -> None:
    manifest_set, blobs, _ = normalize(thing("b"), thing("a", data={"z": "1", "a": "é"}))
    assert [entry.key.name for entry in manifest_set.entries] == ["b", "a"]
    assert blobs[manifest_set.entries[1].digest].endswith('"data":{"a":"é","z":"1"},"kind":"ConfigMap","metadata":{"name":"a"}}'.encode())  # fmt: skip  # noqa: E501


def test_the_last_of_several_wins_with_a_warning() -> None:
    manifest_set, blobs, warnings = normalize(thing("a", data={"v": "1"}), thing("b"), thing("a", data={"v": "2"}))
    assert [entry.key.name for entry in manifest_set.entries] == ["a", "b"]
    assert json.loads(blobs[manifest_set.entries[0].digest])["data"] == {"v": "2"}
    assert len(blobs) == 2
    (warning,) = warnings
    assert warning.startswith("RepeatedResourceWarning: ConfigMap/a ")
    assert "f.yaml, line 10; f.yaml, line 12" in warning


def test_no_kind_is_left_out() -> None:
    """What an agent leaves alone is a matter of the system-wide settings, which may differ from cluster to cluster."""
    manifest_set, _, warnings = normalize(thing("x", "Endpoints"), thing("y", "Lease", "coordination.k8s.io/v1"))
    assert [entry.key.kind for entry in manifest_set.entries] == ["Endpoints", "Lease"] and not warnings


class TestLists:
    def test_lists_are_unfolded(self) -> None:
        inner = {"apiVersion": "v1", "kind": "List", "items": [thing("b")]}
        assert [o["metadata"]["name"] for o in objects({"apiVersion": "v1", "kind": "List", "items": [thing("a"), inner]})] == ["a", "b"]  # fmt: skip  # noqa: E501

    def test_items_of_a_typed_list_say_what_they_are_through_it(self) -> None:
        value = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleList",
            "items": [{"metadata": {"name": "r"}}],
        }
        assert objects(value) == [thing("r", "Role", "rbac.authorization.k8s.io/v1")]

    def test_a_kind_that_only_sounds_like_a_list(self) -> None:
        value = thing("x", "AllowList", "example.com/v1", items=["1.2.3.4"])
        assert objects(value) == [value]

    def test_an_item_that_is_no_object(self) -> None:
        with pytest.raises(RenderError, match="no Kubernetes object"):
            normalize({"apiVersion": "v1", "kind": "List", "items": ["x"]})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("text", "is no Kubernetes object"),
        ([1], "is no Kubernetes object"),
        ({"kind": "ConfigMap", "metadata": {"name": "n"}}, "has no apiVersion"),
        ({"apiVersion": "v1", "metadata": {"name": "n"}}, "has no kind"),
        (thing(api_version="V 1"), "has apiVersion 'V 1'"),
        (thing(api_version=1), "has apiVersion '1'"),  # type: ignore[arg-type]
        (thing(kind="A/B"), "has kind 'A/B'"),
        (thing(metadata=None), "without metadata"),
        (thing(metadata={}), "without metadata.name"),
        (thing(metadata={"name": 7}), "7 is no text: write it in quotes"),
        (thing(metadata={"name": "a/b"}), "'a/b' is none"),
        (thing(metadata={"name": "a" * 254}), "is none"),
        (thing(metadata={"name": "n", "namespace": 1}), "metadata.namespace 1"),
        (thing(metadata={"name": "n", "annotations": ["a"]}), "metadata.annotations is no mapping"),
        (thing(metadata={"generateName": "x-"}), "only hooks may have"),
    ],
)
def test_what_is_no_object_is_told_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(RenderError, match=re.escape(message)) as caught:
        normalize(thing("fine"), value)
    assert caught.value.message.startswith("f.yaml, line 11: ")
    assert caught.value.code == "invalid-manifest"
    assert not caught.value.retryable


@pytest.mark.parametrize("hook", ["argocd.argoproj.io/hook", "helm.sh/hook"])
def test_a_hook_may_have_its_name_generated(hook: str) -> None:
    value = thing("", "Job", "batch/v1", metadata={"generateName": "migrate-", "annotations": {hook: "PreSync"}})
    manifest_set, blobs, _ = normalize(value)
    assert manifest_set.entries[0].key.name == "migrate-"
    assert json.loads(blobs[manifest_set.entries[0].digest])["metadata"]["generateName"] == "migrate-"


def test_hooks_named_from_one_prefix_are_all_kept() -> None:
    job = thing("", "Job", "batch/v1", metadata={"generateName": "m-", "annotations": {"helm.sh/hook": "post-install"}})
    manifest_set, _, warnings = normalize(job, job | {"spec": {"a": 1}}, job | {"spec": {"a": 2}})
    assert [entry.key.name for entry in manifest_set.entries] == ["m-", "m-#2", "m-#3"]
    assert warnings == []


class TestLimits:
    def test_resources(self) -> None:
        with pytest.raises(RenderError, match="more than 2 resources") as caught:
            normalize(*(thing(f"n{i}") for i in range(3)), limits=RenderLimits(resources=2))
        assert caught.value.code == "too-large"

    def test_bytes_of_one(self) -> None:
        with pytest.raises(RenderError, match=r"ConfigMap/n \(f.yaml, line 10\) has 1,\d+ bytes"):
            normalize(thing(data={"a": "x" * 1000}), limits=RenderLimits(resource_bytes=1000))

    def test_bytes_of_all_count_what_is_kept(self) -> None:
        limits = RenderLimits(output_bytes=1500)
        normalize(*(thing(data={"a": "x" * 1000}) for _ in range(5)), limits=limits)
        with pytest.raises(RenderError, match="larger than 1,500 bytes"):
            normalize(*(thing(f"n{i}", data={"a": "x" * 1000}) for i in range(2)), limits=limits)

    def test_warnings(self) -> None:
        _, _, warnings = normalize(*(thing() for _ in range(1000)))
        assert len(warnings) == 100


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5) | FLOATS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.randoms())
def test_equal_objects_give_equal_bytes(data: dict[str, Any], random: Any) -> None:
    shuffled = list(data.items())
    random.shuffle(shuffled)
    assert normalize(thing(data=data))[0] == normalize(thing(data=dict(shuffled)))[0]


@given(JSON)
def test_anything_is_an_object_or_a_told_error(value: Any) -> None:
    try:
        normalize(value)
    except RenderError as error:
        assert error.message
