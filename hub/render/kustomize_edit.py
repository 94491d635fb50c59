"""A source's Kustomize options, put into the copy of its kustomization that is built.

They change the kustomization itself, as Argo CD's do, rather than wrap it: an image, a prefix or a replica count given
by the application takes the place of the one in the repository. Around it they would come on top: a prefix would be
added to the other, and an image that the repository renames would no longer be found by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hub.domain.application import KustomizeOptions
from hub.render.errors import RenderError

_TAGGED = re.compile(r"(?P<name>.*?)(?::(?P<tag>[^:/@]*))?(?:@(?P<digest>.+))?", re.DOTALL)
_KEEP = "*"


def edited(kustomization: Mapping[str, Any], options: KustomizeOptions, components: tuple[str, ...]) -> dict[str, Any]:
    """Return a kustomization with the options applied. `components` are those of the options that exist.

    Raises RenderError where the two cannot be brought together.
    """
    result = dict(kustomization)
    texts = {"namePrefix": options.name_prefix, "nameSuffix": options.name_suffix, "namespace": options.namespace}
    result |= {name: text for name, text in texts.items() if text}
    if options.images:
        result["images"] = _images(_list(result, "images"), options.images)
    if options.replicas:
        named = {replica.name: {"name": replica.name, "count": replica.count} for replica in options.replicas}
        result["replicas"] = [*_others(_list(result, "replicas"), named), *named.values()]
    if options.patches:
        result["patches"] = [*_list(result, "patches"), *(dict(patch) for patch in options.patches)]
    if components:
        result["components"] = [*_list(result, "components"), *components]
    _label(result, options)
    if options.common_annotations:
        result["commonAnnotations"] = _added(
            result.get("commonAnnotations"), options.common_annotations, "Annotations", options.force_common_annotations
        )
    return result


def _label(result: dict[str, Any], options: KustomizeOptions) -> None:
    if not options.common_labels:
        return
    if not options.label_without_selector:
        result["commonLabels"] = _added(
            result.get("commonLabels"), options.common_labels, "Labels", options.force_common_labels
        )
        return
    labels = {"pairs": dict(options.common_labels), "includeSelectors": False}
    if options.label_include_templates:
        labels["includeTemplates"] = True
    result["labels"] = [*_list(result, "labels"), labels]


def _added(present: Any, added: Mapping[str, str], what: str, force: bool) -> dict[str, Any]:
    before = dict(present) if isinstance(present, Mapping) else {}
    both = sorted(before.keys() & added.keys())
    if both and not force:
        raise RenderError(
            f"The source sets common{what} {both[0]!r}, which its kustomization sets already: set forceCommon{what} to "
            "let the source win, or remove one of them.",
            code="invalid-source",
        )
    return before | dict(added)


def _images(present: list[Any], given: tuple[str, ...]) -> list[Any]:
    """Replace images by name; `*` keeps what the kustomization has."""
    before = {image["name"]: image for image in present if isinstance(image, Mapping) and "name" in image}
    changed = {}
    for text in given:
        image = _image(text)
        old = before.get(image["name"], {})
        for name in ("newName", "newTag"):
            if image.get(name) == _KEEP:
                image[name] = old.get(name, "")
        changed[image["name"]] = {name: value for name, value in image.items() if value}
    return [*_others(present, changed), *(changed[name] for name in sorted(changed))]


def _image(text: str) -> dict[str, str]:
    """Read "name:tag", "name@digest", "name=new", "name=new:tag" and "name=new@digest"."""
    name, equals, new = text.partition("=")
    found = _TAGGED.fullmatch(new if equals else name)
    if found is None or not found["name"] or (equals and not name):
        raise RenderError(
            f"kustomize.images holds {text[:200]!r}: write name:tag, name@digest or name=new:tag.",
            code="invalid-source",
        )
    image = {"name": name, "newName": found["name"]} if equals else {"name": found["name"], "newName": ""}
    if not equals and not (found["tag"] or found["digest"]):
        raise RenderError(
            f"kustomize.images holds {text[:200]!r}, which changes nothing: add a tag, a digest or a new name.",
            code="invalid-source",
        )
    return image | {"newTag": found["tag"] or "", "digest": found["digest"] or ""}


def _others(present: list[Any], changed: Mapping[str, Any]) -> list[Any]:
    return [item for item in present if not (isinstance(item, Mapping) and item.get("name") in changed)]


def _list(kustomization: Mapping[str, Any], name: str) -> list[Any]:
    value = kustomization.get(name)
    return list(value) if isinstance(value, list) else []
