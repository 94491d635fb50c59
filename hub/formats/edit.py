"""Building and changing an Application in the words of the command line (`app create`, `app set`).

The words mean what they mean in Argo CD. Everything here works on the object as its owner wrote it, so that a change of
one field leaves the rest as it was; whether the outcome makes sense is for `parse_application` to say.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.domain.project import DEFAULT_PROJECT
from hub.domain.selector import parse_selector
from hub.formats.application import KIND
from hub.formats.errors import FormatError
from hub.formats.metadata import API_VERSION
from hub.formats.policy import AUTOMATED_WORDS
from hub.formats.selector import write_selector

_Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ApplicationFlags:
    """What was given on the command line. None: not given; the field is left as it is."""

    name: str | None = None
    namespace: str | None = None
    project: str | None = None
    repo: str | None = None
    path: str | None = None
    revision: str | None = None
    source_position: int | None = None
    """Which of several sources is meant, from 1."""
    dest_server: str | None = None
    dest_name: str | None = None
    dest_namespace: str | None = None
    dest_selectors: tuple[str, ...] = ()
    """Label selectors as `parse_selector` reads them; each becomes one entry of `destinations`."""
    sync_policy: str | None = None
    """automated | auto | true, or manual | none | false."""
    auto_prune: bool | None = None
    self_heal: bool | None = None
    allow_empty: bool | None = None
    sync_options: tuple[str, ...] = ()
    """"Option=value" sets one, "!Option" or "!Option=value" takes it away."""
    helm_set: tuple[str, ...] = ()
    """"name=value", as --helm-set."""
    helm_set_string: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    """Value files, instead of those there are."""
    values_literal: str | None = None
    """YAML text, instead of the values there are."""
    release_name: str | None = None
    kustomize_images: tuple[str, ...] = ()
    name_prefix: str | None = None
    name_suffix: str | None = None
    directory_recurse: bool | None = None
    directory_include: str | None = None
    directory_exclude: str | None = None
    labels: tuple[str, ...] = ()
    """"key=value" sets one, "key-" takes it away."""
    annotations: tuple[str, ...] = ()
    revision_history_limit: int | None = None


def build_application(flags: ApplicationFlags) -> _Object:
    """Return a new Application object. Raises FormatError when the flags contradict themselves."""
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {}, "spec": {"project": DEFAULT_PROJECT}}
    return set_flags(manifest, flags)


def set_flags(manifest: Mapping[str, Any], flags: ApplicationFlags) -> _Object:
    """Return the object with the flags applied; the one given is left alone. Raises FormatError."""
    result: _Object = copy.deepcopy(dict(manifest))
    metadata, spec = _below(result, "metadata"), _below(result, "spec")
    _set(metadata, name=flags.name, namespace=flags.namespace)
    _set_pairs(metadata, "labels", flags.labels)
    _set_pairs(metadata, "annotations", flags.annotations)
    _set(spec, project=flags.project)
    _set_source(spec, flags)
    _set_destination(spec, flags)
    _set_sync_policy(spec, flags)
    _set(spec, revisionHistoryLimit=flags.revision_history_limit)
    return result


def _set_source(spec: _Object, flags: ApplicationFlags) -> None:
    changes: _Object = {}
    _set(changes, repoURL=flags.repo, path=flags.path, targetRevision=flags.revision)
    directory: _Object = {}
    _set(
        directory,
        recurse=flags.directory_recurse,
        include=flags.directory_include,
        exclude=flags.directory_exclude,
    )
    helm, kustomize = _changes_helm(flags), _changes_kustomize(flags)
    if not (changes or directory or helm or kustomize):
        return
    source = _source(spec, flags.source_position)
    source |= changes
    if helm:
        _set_helm(_below(source, "helm"), flags)
    if kustomize:
        _set_kustomize(_below(source, "kustomize"), flags)
    if directory:
        _below(source, "directory").update(directory)


def _changes_helm(flags: ApplicationFlags) -> bool:
    lists = (flags.helm_set, flags.helm_set_string, flags.values)
    return any(lists) or flags.values_literal is not None or flags.release_name is not None


def _changes_kustomize(flags: ApplicationFlags) -> bool:
    return bool(flags.kustomize_images) or flags.name_prefix is not None or flags.name_suffix is not None


def _source(spec: _Object, position: int | None) -> _Object:
    """Return the source that is meant, to be changed in place."""
    sources = spec.get("sources")
    if not sources:
        if position not in (None, 1):
            raise FormatError(f"the application has one source, so there is none at position {position}")
        return _below(spec, "source")
    if position is None and len(sources) > 1:
        raise FormatError(f"the application has {len(sources)} sources: say which with --source-position")
    index = 0 if position is None else position - 1
    if not 0 <= index < len(sources):
        raise FormatError(f"the application has {len(sources)} sources, so there is none at position {position}")
    source = sources[index]
    if not isinstance(source, dict):
        raise FormatError(f"spec.sources[{index}] is not a mapping")
    return source


def _set_helm(helm: _Object, flags: ApplicationFlags) -> None:
    _set(helm, releaseName=flags.release_name)
    if flags.values:
        helm["valueFiles"] = list(flags.values)
    if flags.values_literal is not None:
        # valuesObject would go over it.
        helm.pop("valuesObject", None)
        helm["values"] = flags.values_literal
    given = [(pair, False) for pair in flags.helm_set] + [(pair, True) for pair in flags.helm_set_string]
    for pair, as_text in given:
        name, value = _pair(pair, "--helm-set-string" if as_text else "--helm-set")
        parameter: _Object = {"name": name, "value": value, **({"forceString": True} if as_text else {})}
        _put(
            _list_below(helm, "parameters"), parameter, lambda item: item.get("name") if isinstance(item, dict) else ""
        )


def _item_name(item: Any) -> Any:
    return item.get("name") if isinstance(item, dict) else None


def _set_kustomize(kustomize: _Object, flags: ApplicationFlags) -> None:
    _set(kustomize, namePrefix=flags.name_prefix, nameSuffix=flags.name_suffix)
    for image in flags.kustomize_images:
        _put(_list_below(kustomize, "images"), image, _image_name)


def _image_name(image: Any) -> str:
    """Return which image an entry replaces: "old" of "old=new:tag", and "name" of "name:tag" or "name@digest"."""
    old, equals, _ = str(image).partition("=")
    if equals:
        return old
    name = old.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _set_destination(spec: _Object, flags: ApplicationFlags) -> None:
    ways = {
        "--dest-server": flags.dest_server is not None,
        "--dest-name": flags.dest_name is not None,
        "--dest-selector": bool(flags.dest_selectors),
    }
    given = [way for way, is_given in ways.items() if is_given]
    if len(given) > 1:
        raise FormatError(f"{' and '.join(given)} are both given: keep one of them")
    namespace = flags.dest_namespace if flags.dest_namespace is not None else _present_namespace(spec)
    if flags.dest_selectors:
        spec.pop("destination", None)
        spec["destinations"] = [_selecting(text, namespace) for text in flags.dest_selectors]
    elif given:
        spec.pop("destinations", None)
        spec["destination"] = {}
        _set(spec["destination"], server=flags.dest_server, name=flags.dest_name, namespace=namespace)
    elif flags.dest_namespace is not None:
        several = [item for item in spec.get("destinations") or [] if isinstance(item, dict)]
        for destination in several or [_below(spec, "destination")]:
            destination["namespace"] = flags.dest_namespace


def _present_namespace(spec: _Object) -> str | None:
    several = spec.get("destinations")
    present = several[0] if isinstance(several, list) and several else spec.get("destination")
    namespace = present.get("namespace") if isinstance(present, dict) else None
    return namespace if isinstance(namespace, str) else None


def _selecting(text: str, namespace: str | None) -> _Object:
    if not text.strip():
        raise FormatError(
            "--dest-selector is empty, which would be every cluster: give labels; where every cluster is meant, write "
            "`selector: {}` into a file for `escadre apply`"
        )
    try:
        selector = parse_selector(text)
    except ValueError as error:
        raise FormatError(f"--dest-selector: {error}") from error
    result: _Object = {"selector": write_selector(selector)}
    _set(result, namespace=namespace)
    return result


def _set_sync_policy(spec: _Object, flags: ApplicationFlags) -> None:
    if flags.sync_policy is not None:
        word = flags.sync_policy.strip().lower()
        if word not in AUTOMATED_WORDS:
            raise FormatError(f"--sync-policy {flags.sync_policy[:70]!r} is unknown: give automated or manual")
        _turn_automation(spec, on=AUTOMATED_WORDS[word])
    details: _Object = {}
    _set(details, prune=flags.auto_prune, selfHeal=flags.self_heal, allowEmpty=flags.allow_empty)
    if details:
        automated = _automated(spec)
        if automated is None:
            raise FormatError(
                "--auto-prune, --self-heal and --allow-empty say how an automated sync goes about it: give "
                "--sync-policy automated, too"
            )
        _below(spec, "syncPolicy")["automated"] = automated | details
    _set_sync_options(spec, flags.sync_options)


def _turn_automation(spec: _Object, *, on: bool) -> None:
    policy = _below(spec, "syncPolicy")
    if on:
        present = policy.get("automated")
        policy["automated"] = {k: v for k, v in present.items() if k != "enabled"} if isinstance(present, dict) else {}
        return
    policy.pop("automated", None)
    if not policy:
        del spec["syncPolicy"]


def _automated(spec: _Object) -> _Object | None:
    """Return the automation there is as a mapping, None when there is none; it may have been written as a word."""
    policy = spec.get("syncPolicy")
    present = policy.get("automated") if isinstance(policy, dict) else None
    if isinstance(present, dict):
        return None if present.get("enabled") is False else present
    return {} if present is not None and AUTOMATED_WORDS.get(str(present).strip().lower()) else None


def _set_sync_options(spec: _Object, options: Iterable[str]) -> None:
    for option in options:
        present = _list_below(_below(spec, "syncPolicy"), "syncOptions")
        if option.startswith("!"):
            present[:] = [item for item in present if _option_name(item) != _option_name(option[1:])]
        else:
            _put(present, option, _option_name)


def _option_name(option: Any) -> str:
    return str(option).partition("=")[0]


def _set_pairs(metadata: _Object, key: str, pairs: Iterable[str]) -> None:
    for pair in pairs:
        present = _below(metadata, key)
        if "=" not in pair and pair.endswith("-"):
            present.pop(pair[:-1], None)
            continue
        name, value = _pair(pair, f"--{key.removesuffix('s')}")
        present[name] = value


def _pair(text: str, flag: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise FormatError(f"{flag} {text[:70]!r} is not of the form name=value")
    return name, value


def _put(items: list[Any], new: Any, name_of: Callable[[Any], object]) -> None:
    """Put an item in the place of the one with its name, else at the end."""
    for index, item in enumerate(items):
        if name_of(item) == name_of(new):
            items[index] = new
            return
    items.append(new)


def _set(target: _Object, **values: Any) -> None:
    target.update({key: value for key, value in values.items() if value is not None})


def _below(parent: _Object, key: str) -> _Object:
    """Return the mapping at a key, making it where there is none."""
    value = parent.get(key)
    if value is None:
        value = parent[key] = {}
    if not isinstance(value, dict):
        raise FormatError(f"{key} of the application is not a mapping: correct it with `escadre apply` first")
    return value


def _list_below(parent: _Object, key: str) -> list[Any]:
    value = parent.get(key)
    if value is None:
        value = parent[key] = []
    if not isinstance(value, list):
        raise FormatError(f"{key} of the application is not a list: correct it with `escadre apply` first")
    return value
