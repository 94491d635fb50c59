"""What of an object's annotations is written so that it has no effect: a word that nobody knows, a number that is none.

What cannot be read counts as not given (`traits_of`), as in Argo CD. An object whose owner wrote `Pruen=false` is
pruned like any other, so somebody has to be told before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from agent.engine.options import VALUES
from agent.engine.resource import Object
from agent.engine.traits import (
    COMPARE_OPTIONS,
    HELM_HOOK_WEIGHT,
    HOOK,
    HOOK_DELETE_POLICY,
    SYNC_OPTIONS,
    SYNC_WAVE,
    TIME_LIMIT,
    DeletePolicy,
    SyncPhase,
    is_wave,
    items_of,
    seconds_of,
)

_NAMES: Final = (
    COMPARE_OPTIONS,
    HOOK,
    HOOK_DELETE_POLICY,
    SYNC_OPTIONS,
    SYNC_WAVE,
    TIME_LIMIT,
    "argocd.argoproj.io/ignore-healthcheck",
    "argocd.argoproj.io/ignore-restart-policy",
    "argocd.argoproj.io/ignore-resource-updates",
    "argocd.argoproj.io/tracking-id",
)
"""Of annotations. Others may be there for other programs, so that only what is nearly one of these is misspelt."""
_WORDS: Final = {
    prefix: [word for name in _NAMES for own, _, word in (name.partition("/"),) if own == prefix]
    for prefix in ("argocd.argoproj.io", "escadre.io")
}
_COMPARE: Final = ("IgnoreExtraneous", "ServerSideDiff", "IncludeMutationWebhook")
_APPLICATIONS: Final = "IgnoreDifferences="
_NEAR: Final = 0.85
_LONGEST: Final = 80


def misspelt(obj: Object) -> list[str]:
    """Return in words what is misspelt: 'argocd.argoproj.io/sync-options: …'. Never raises."""
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return list(_found(annotations)) if isinstance(annotations, dict) else []


def _found(annotations: Mapping[str, Any]) -> Iterator[str]:
    for name in annotations:
        prefix, _sign, word = name.partition("/")
        if name in _NAMES or prefix not in _WORDS:
            continue
        if near := get_close_matches(word, _WORDS[prefix], 1, _NEAR):
            yield f"the annotation {_shown(name)} is not known: did you mean {prefix}/{near[0]}?"
    for name, problem in _READERS.items():
        value = annotations.get(name)
        if isinstance(value, str) and value.strip():
            yield from (f"{name}: {words}" for words in problem(items_of(annotations, name), value))


def _options(items: Iterable[str], value: str) -> Iterator[str]:
    if _APPLICATIONS in value:
        return  # an Application's own, in which JSON has commas: whoever reads it says what is wrong with it
    for item in items:
        name, _sign, setting = item.partition("=")
        if name not in VALUES:
            yield _unknown(item, name, VALUES, "sync option")
        elif setting not in VALUES[name]:
            yield f"{_shown(item)} is not a known sync option: write {name}={' or '.join(VALUES[name])}"


def _compared(items: Iterable[str], _: str) -> Iterator[str]:
    for item in items:
        if item.partition("=")[0] not in _COMPARE:
            yield _unknown(item, item.partition("=")[0], _COMPARE, "compare option")


def _hooks(items: Iterable[str], _: str) -> Iterator[str]:
    known = ("Skip", *(phase.value for phase in SyncPhase))
    yield from (_unknown(item, item, known, "phase of a hook") for item in items if item not in known)


def _policies(items: Iterable[str], _: str) -> Iterator[str]:
    known = [policy.value for policy in DeletePolicy]
    yield from (_unknown(item, item, known, "policy of deleting a hook") for item in items if item not in known)


def _wave(_: Iterable[str], value: str) -> Iterator[str]:
    if not is_wave(value):
        yield f"{_shown(value)} is no number that a wave may have: it is 0"


def _limit(_: Iterable[str], value: str) -> Iterator[str]:
    if seconds_of(value) is None:
        yield f"{_shown(value)} is no duration: write one like 90s, 5m or 1h30m"


_READERS: Final[Mapping[str, Callable[[Iterable[str], str], Iterator[str]]]] = {
    SYNC_OPTIONS: _options,
    COMPARE_OPTIONS: _compared,
    HOOK: _hooks,
    HOOK_DELETE_POLICY: _policies,
    SYNC_WAVE: _wave,
    HELM_HOOK_WEIGHT: _wave,
    TIME_LIMIT: _limit,
}


def _unknown(item: str, name: str, known: Iterable[str], what: str) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"{_shown(item)} is not a known {what}{f' (did you mean {near[0]}?)' if near else ''}"


def _shown(text: str) -> str:
    return repr(text[:_LONGEST])
