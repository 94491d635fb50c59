from __future__ import annotations

from typing import Any

import pytest

from hub.domain.application import KustomizeOptions, KustomizeReplica
from hub.render.errors import RenderError
from hub.render.kustomize_edit import edited


def edit(kustomization: dict[str, Any], **options: Any) -> dict[str, Any]:
    return edited(kustomization, KustomizeOptions(**options), options.get("components", ()))


def test_texts_take_the_place_of_those_in_the_repository() -> None:
    before = {"namePrefix": "a-", "nameSuffix": "-a", "namespace": "a", "resources": ["x"]}
    after = edit(before, name_prefix="b-", name_suffix="-b", namespace="b")
    assert after == {"namePrefix": "b-", "nameSuffix": "-b", "namespace": "b", "resources": ["x"]}
    assert before["namePrefix"] == "a-"
    assert edit(before) == before


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("nginx:1.25", {"name": "nginx", "newTag": "1.25"}),
        ("nginx@sha256:abc", {"name": "nginx", "digest": "sha256:abc"}),
        ("nginx:1.25@sha256:abc", {"name": "nginx", "newTag": "1.25", "digest": "sha256:abc"}),
        ("nginx=reg.io:5000/my/nginx", {"name": "nginx", "newName": "reg.io:5000/my/nginx"}),
        ("nginx=reg.io:5000/my/nginx:2", {"name": "nginx", "newName": "reg.io:5000/my/nginx", "newTag": "2"}),
        ("nginx=my/nginx@sha256:abc", {"name": "nginx", "newName": "my/nginx", "digest": "sha256:abc"}),
        ("reg.io:5000/app:3", {"name": "reg.io:5000/app", "newTag": "3"}),
    ],
)
def test_images(text: str, image: dict[str, str]) -> None:
    assert edit({}, images=(text,))["images"] == [image]


def test_an_image_replaces_the_one_of_its_name_and_leaves_others() -> None:
    before = {"images": [{"name": "a", "newName": "x/a", "newTag": "1"}, {"name": "b", "newTag": "1"}]}
    assert edit(before, images=("a:2",))["images"] == [{"name": "b", "newTag": "1"}, {"name": "a", "newTag": "2"}]


def test_a_star_keeps_what_the_repository_says() -> None:
    before = {"images": [{"name": "a", "newName": "x/a", "newTag": "1"}]}
    assert edit(before, images=("a=*:2",))["images"] == [{"name": "a", "newName": "x/a", "newTag": "2"}]
    assert edit(before, images=("a=y/a:*",))["images"] == [{"name": "a", "newName": "y/a", "newTag": "1"}]


@pytest.mark.parametrize("text", ["", "nginx", "=x", ":1", "@sha256:x"])
def test_images_that_mean_nothing(text: str) -> None:
    with pytest.raises(RenderError, match=r"kustomize\.images"):
        edit({}, images=(text,))


def test_replicas() -> None:
    before = {"replicas": [{"name": "a", "count": 1}, {"name": "b", "count": 1}]}
    assert edit(before, replicas=(KustomizeReplica("a", 3),))["replicas"] == [
        {"name": "b", "count": 1},
        {"name": "a", "count": 3},
    ]


def test_patches_and_components_are_added() -> None:
    after = edit({"patches": [{"path": "a"}], "components": ["c"]}, patches=({"patch": "x"},), components=("../d",))
    assert (after["patches"], after["components"]) == ([{"path": "a"}, {"patch": "x"}], ["c", "../d"])


@pytest.mark.parametrize("what", ["Labels", "Annotations"])
def test_common_labels_and_annotations(what: str) -> None:
    option, force = f"common_{what.lower()}", f"force_common_{what.lower()}"
    before = {f"common{what}": {"a": "1"}}
    assert edit(before, **{option: {"b": "2"}})[f"common{what}"] == {"a": "1", "b": "2"}
    assert edit({}, **{option: {"b": "2"}})[f"common{what}"] == {"b": "2"}
    with pytest.raises(RenderError, match=f"'a'.*forceCommon{what}"):
        edit(before, **{option: {"a": "2"}})
    assert edit(before, **{option: {"a": "2"}, force: True})[f"common{what}"] == {"a": "2"}


def test_labels_that_leave_selectors_alone() -> None:
    assert edit({}, common_labels={"a": "1"}, label_without_selector=True)["labels"] == [
        {"pairs": {"a": "1"}, "includeSelectors": False}
    ]
    after = edit({}, common_labels={"a": "1"}, label_without_selector=True, label_include_templates=True)
    assert after["labels"] == [{"pairs": {"a": "1"}, "includeSelectors": False, "includeTemplates": True}]
