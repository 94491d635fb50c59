"""What is told of one pair of objects: what applying the target would do, and which fields it would change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from agent.admin.pairs import ObjectPair
from agent.engine.compare_options import DEFAULT_OPTIONS, CompareOptions, counts_when_extraneous
from agent.engine.diff import unified_diff
from agent.engine.drift import ABSENT, FieldDifference, attribute, compare
from agent.engine.fields import format_pointer
from agent.engine.ignore import IgnoreRules
from agent.engine.mask import is_secret, mask_pair
from agent.engine.resource import TRACKING_ANNOTATION, Object, ResourceKey, tracked_by
from agent.engine.status import SyncStatus
from agent.kube.simulated.predict import Prediction, Predictor

_HOOK: Final = "argocd.argoproj.io/hook"
_HELM_HOOK: Final = "helm.sh/hook"
_NO_HOOK: Final = "crd-install"
"""What Helm 2 called a hook, and is none any more."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome for one pair."""

    key: ResourceKey
    change: str
    """none | create | update | prune"""
    fields: tuple[dict[str, Any], ...] = ()
    """{path, assigned, live, manager, changed_at, likely}: what is not there on a side is not in it."""
    diff: str = ""
    counted: bool = True
    """False where the application would be in sync all the same."""
    message: str = ""
    problems: tuple[str, ...] = ()
    """What an API server would refuse the target for."""
    predicted: Object | None = None
    live: Object | None = None

    @property
    def out_of_sync(self) -> bool:
        return self.change != "none" and self.counted

    def as_json(self, *, objects: bool = False) -> dict[str, Any]:
        """Return it as it is printed; with `objects` also what was compared."""
        row = {
            "key": self.key._asdict(),
            "change": self.change,
            "modified": self.change in ("create", "update"),
            "sync": SyncStatus.SYNCED if self.change == "none" else SyncStatus.OUT_OF_SYNC,
            "fields": list(self.fields),
            "diff": self.diff,
        }
        extra: dict[str, Any] = {"message": self.message, "problems": list(self.problems)}
        row |= {name: value for name, value in extra.items() if value}
        if not self.counted:
            row["counted"] = False
        if objects:
            row |= {"predicted": self.predicted, "live": self.live}
        return row


@dataclass(frozen=True, slots=True)
class Comparer:
    """Compares pairs."""

    predictor: Predictor
    rules: IgnoreRules = IgnoreRules()
    options: CompareOptions = DEFAULT_OPTIONS

    def compare(self, pair: ObjectPair) -> Comparison:
        """Say what applying the pair's target would do."""
        key = pair.key
        one = pair.target or pair.live
        if one is not None and _is_hook(one):
            return Comparison(key, "none", message="a hook takes no part in comparing")
        if pair.target is None:
            return self._surplus(key, pair.live or {})
        prediction = self.predictor.predict(pair.target, pair.live)
        shown = _shown(prediction)
        if pair.live is None or prediction.live is None:
            diff = unified_diff(prediction.predicted, None, key, options=self.options)
            return Comparison(key, "create", diff=diff, problems=prediction.problems, predicted=shown[0])
        ignores = self.rules.for_object(key)
        differences = compare(prediction.predicted, prediction.live, ignores, self.options)
        diff = ""
        if differences:
            diff = unified_diff(prediction.predicted, prediction.live, key, ignore=ignores, options=self.options)
        return Comparison(
            key,
            "update" if differences else "none",
            tuple(_fields(differences, prediction.live)),
            diff,
            problems=prediction.problems,
            predicted=shown[0],
            live=shown[1],
        )

    def _surplus(self, key: ResourceKey, live: Object) -> Comparison:
        foreign = _foreign(live, key)
        if foreign:
            return Comparison(key, "none", message=foreign)
        counted = counts_when_extraneous(live)
        message = "" if counted else "extraneous, and asks not to be counted (IgnoreExtraneous)"
        shown = _shown(Prediction({}, live))[1]
        return Comparison(key, "prune", (), unified_diff(None, live, key), counted, message, live=shown)


def _is_hook(obj: Object) -> bool:
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return _HOOK in annotations or annotations.get(_HELM_HOOK, _NO_HOOK) != _NO_HOOK


def _foreign(live: Object, key: ResourceKey) -> str:
    """Say why a live object that is not assigned is nobody's to prune; "" where it is."""
    metadata = live.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if TRACKING_ANNOTATION in annotations and tracked_by(live, key) is None:
        return "its tracking id names another object: it was copied there, and does not count"
    for owner in metadata.get("ownerReferences") or ():
        if isinstance(owner, dict) and TRACKING_ANNOTATION not in annotations:
            return f"it belongs to {owner.get('kind')}/{owner.get('name')}"
    return ""


def _fields(differences: list[FieldDifference], live: Object) -> Iterator[dict[str, Any]]:
    drifts = attribute(differences, live["metadata"].get("managedFields"))
    for difference, drift in zip(differences, drifts, strict=True):
        row: dict[str, Any] = {"path": format_pointer(difference.path)}
        if difference.assigned is not ABSENT:
            row["assigned"] = difference.assigned
        if difference.live is not ABSENT:
            row["live"] = difference.live
        if drift.manager is not None:
            row |= {"manager": drift.manager, "changed_at": drift.changed_at, "likely": drift.likely}
        yield row


def _shown(prediction: Prediction) -> tuple[Object, Object | None]:
    """Return what was compared as it may be shown: secrets masked, without managedFields."""
    predicted, live = prediction.predicted, prediction.live
    if is_secret(predicted) or (live is not None and is_secret(live)):
        masked = mask_pair(predicted, live or {})
        predicted, live = masked[0], masked[1] if live is not None else None
    return predicted, None if live is None else _without_managers(live)


def _without_managers(obj: Object) -> Object:
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    return {**obj, "metadata": metadata}
