"""Running a resource action: its agent is asked, and what it would create is first permitted by the project.

An action that creates nothing takes one question. One that would answers what, and has done nothing; it is asked again
with what is permitted, at the time that it worked with before, so that names made of the time are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hub.api.asking import Answer, Asker, key_fields, malformed
from hub.api.models.action import (
    ActionItem,
    ActionParameter,
    ActionResult,
    ChangedObject,
    ClusterActions,
    ResourceActions,
)
from hub.api.models.resource import Problem
from hub.domain.application import Application
from hub.domain.cluster import Cluster
from hub.domain.manifest import Entry, ResourceKey
from hub.domain.permit import permit_resources
from hub.domain.project import Project
from hub.errors import Conflict, HubError, Invalid, NotFound, Unavailable

SECONDS: Final = 12.0
"""An agent has for one action."""
_QUESTIONS: Final = 3
_DONE: Final = "nothing was done"


@dataclass(frozen=True, slots=True)
class Act:
    """One action on one object of an application on one cluster."""

    application: Application
    cluster: Cluster
    namespace: str
    """The destination's, for objects that name none."""
    key: ResourceKey
    action: str
    parameters: Mapping[str, str]
    by: str

    @property
    def words(self) -> str:
        # Last, for the names are the caller's, and what is too long for an event is cut off.
        given = f", with {', '.join(sorted(self.parameters))}" if self.parameters else ""
        return f"action {self.action} on {self.key} of application {self.application.id.display}{given}"


async def carry_out(asker: Asker, project: Project | None, act: Act) -> ActionResult:
    """Run an action. Raises NotFound, Invalid, Conflict where nothing was done, and Unavailable where that is not
    known; their messages say so."""
    if project is None:
        raise Conflict(f"project {act.application.spec.project} does not exist: {_DONE}")
    _permit(project, act, [act.key])
    permitted: list[ResourceKey] = []
    at: float | None = None
    for _ in range(_QUESTIONS):
        value = await _asked(asker, act, permitted, at)
        needs, changed, at = _read(act, value)
        if not needs:
            return ActionResult(cluster=act.cluster.name, changed=changed)
        _permit(project, act, needs)
        permitted = list(dict.fromkeys((*permitted, *needs)))
    raise Invalid(
        f"{act.words}: it would create other objects each time it is asked: {_DONE}",
        code="action-refused",
    )


def _permit(project: Project, act: Act, keys: Sequence[ResourceKey]) -> None:
    """Raises Invalid for what the project does not let onto the cluster."""
    entries = [Entry(key, "", "", 0) for key in keys]
    scope = act.cluster.capabilities.is_namespaced
    denials = permit_resources(project, entries, scope, cluster=act.cluster, namespace=act.namespace)
    if denials:
        raise Invalid(f"{act.words}: {denials[0].message}: {_DONE}", code="action-refused")


async def _asked(asker: Asker, act: Act, permitted: Sequence[ResourceKey], at: float | None) -> dict[str, Any]:
    group, kind, namespace, name = act.key
    parameters: dict[str, Any] = {
        "group": group,
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "action": act.action,
        "params": dict(act.parameters),
        "permitted": [list(key) for key in permitted],
        "by": act.by,
    }
    if at is not None:
        parameters["at"] = at
    try:
        return await asker.ask_one(str(act.application.id), "run-action", act.cluster, parameters, SECONDS)
    except HubError as error:
        raise _translated(error, act) from error


def _too_old(cluster: str) -> str:
    return f"the agent of {cluster} is too old to know of resource actions: upgrade it"


_KNOWN: Final[Mapping[str, Callable[[str], HubError]]] = {
    "action-refused": lambda message: Invalid(message, code="action-refused"),
    "bad-question": lambda message: Invalid(f"{message}: {_DONE}", code="action-refused"),
    "not-assigned": NotFound,
    "object-changes": Conflict,
    "object-not-found": lambda message: NotFound(f"{message}: {_DONE}"),
}
_NOT_ASKED: Final = frozenset({"busy", "cluster-unreachable", "too-large"})
"""What is said when the question did not reach the agent. After anything else, the database that does not answer among
it, the action may have been carried out."""


def _translated(error: HubError, act: Act) -> HubError:
    """Return what a caller is told of an agent's refusal."""
    if error.code == "unknown-question":
        return Conflict(f"{_too_old(act.cluster.name)}; {_DONE}", code="agent-too-old")
    if error.code in _KNOWN:
        return _KNOWN[error.code](f"cluster {act.cluster.name}: {error.message}")
    if error.code in _NOT_ASKED:
        return error
    return Unavailable(
        f"whether cluster {act.cluster.name} has run {act.words} is not known, look at the object before you run it "
        f"again: {error.message}",
        code="outcome-unknown",
    )


def _read(act: Act, value: Mapping[str, Any]) -> tuple[list[ResourceKey], list[ChangedObject], float]:
    """Read an agent's answer, which is outside text. Raises Unavailable."""
    try:
        needs = [ResourceKey(**key_fields(key)) for key in value["needs"]]
        changed = [ChangedObject(operation=c["operation"], **key_fields(c["key"])) for c in value["changed"]]
        return needs, changed, float(value["at"])
    except (KeyError, TypeError, ValueError) as error:
        problem = malformed(act.cluster.name).problem
        assert problem is not None
        raise _translated(Unavailable(problem.message, code=problem.code), act) from error


def actions_of(answer: Answer) -> ClusterActions:
    """Read what an agent says there is."""
    problem = answer.problem
    if problem is not None and problem.code == "unknown-question":
        problem = Problem(code=problem.code, message=_too_old(answer.cluster))
    try:
        rows = [
            ResourceActions(
                **key_fields(row["key"]),
                actions=[_item(item) for item in row["actions"]],
                error=str(row["error"]),
            )
            for row in answer.value.get("resources", ())
        ]
        truncated = bool(answer.value.get("truncated"))
    except (AttributeError, KeyError, TypeError, ValueError):
        problem = malformed(answer.cluster).problem
        return ClusterActions(cluster=answer.cluster, error=problem, truncated=False, resources=[])
    return ClusterActions(cluster=answer.cluster, error=problem, truncated=truncated, resources=rows)


def _item(item: Mapping[str, Any]) -> ActionItem:
    return ActionItem(
        name=str(item["name"]),
        disabled=bool(item["disabled"]),
        display_name=str(item["display_name"]),
        icon_class=str(item["icon_class"]),
        params=[
            ActionParameter(**{part: str(given[part]) for part in ("name", "value", "type", "default")})
            for given in item["params"]
        ],
    )
