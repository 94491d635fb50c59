"""Resource actions on this cluster: which there are for an application's objects, and running one of them.

What an action gives is written as narrowly as it can be: the fields that it changes, by a merge patch that fails where
the object has changed since it was read, the status apart where the kind keeps it apart. Fields of the assigned
manifests stay Git's: the next comparison tells of what an action made of them, and a sync takes them back.

Nothing of an object leaves the cluster but its name, the names of its actions and what scripts call them. What a Secret
holds does not even get into those.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from agent.engine.actions import Action, ActionError, Change, CustomActions, Moment, Operation, discover, run
from agent.engine.actions.merge import merge_patch
from agent.engine.actions.resource import BUILT_IN
from agent.engine.assignment import Assignment
from agent.engine.mask import is_secret, mask_secret
from agent.engine.resource import (
    MANAGED_LABEL,
    TRACKING_ANNOTATION,
    GroupKind,
    Object,
    ResourceKey,
    split_api_version,
)
from agent.hubclient.fetched import QuestionFailed
from agent.kube import errors
from agent.kube.client import Discovery, Kind, KubeClient
from agent.syncer.context import Context
from agent.syncer.tree import CHILD_KINDS, Node, grow

log = logging.getLogger(__name__)

ACTION_MANAGER: Final = "escadre-action"
"""Not the agent's own: a drift report is to tell what an action changed from what a sync applied."""
OBJECTS_LIMIT: Final = 1000
"""Objects that are read for one list."""
CHANGES_LIMIT: Final = 20
"""Objects that one action may change: the names of those it creates go to the hub and back."""
ATTEMPTS: Final = 5
PARALLEL: Final = 16
_TEXT_LIMIT: Final = 1000
_PARAMETERS_LIMIT: Final = 64
_SELECTOR: Final = ("group", "kind", "namespace", "name")


# --- which there are


async def list_actions(context: Context, assignment: Assignment, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return {"resources": [{key, actions, error}], "truncated"} for the objects that have actions.

    The parameters group, kind, namespace and name select; each that is empty, or not there, selects all. Raises
    QuestionFailed, KubeError.
    """
    selected = {name: _text(parameters, name) for name in _SELECTOR}
    kind = GroupKind(selected["group"], selected["kind"])
    children = not kind.kind or any(c.kind == kind.kind and kind.group in ("", c.group) for c in CHILD_KINDS)
    custom = context.settings.current.actions
    nodes = [
        node
        for node in await grow(context.client, context.live, assignment, children=children, health=False)
        if _has_actions(node.key, custom)
        and all(text in ("", part) for text, part in zip(selected.values(), node.key, strict=True))
    ]
    nodes.sort(key=lambda node: node.key)
    discovery = await context.client.discover()
    gate = asyncio.Semaphore(PARALLEL)

    async def one(node: Node) -> dict[str, Any] | None:
        kind = _kind_of(discovery, node)
        if kind is None:
            return None
        try:
            async with gate:
                obj = await context.client.get(kind, node.key.namespace, node.key.name)
        except errors.Permanent as error:
            return {"key": list(node.key), "actions": [], "error": f"{error}{error.hint}"}
        return _listed(node.key, obj, custom) if obj is not None else None

    rows = await asyncio.gather(*map(one, nodes[:OBJECTS_LIMIT]))
    return {"resources": [row for row in rows if row is not None], "truncated": len(nodes) > OBJECTS_LIMIT}


def _listed(key: ResourceKey, obj: Object, custom: CustomActions) -> dict[str, Any] | None:
    try:
        # A script that says what there is of a Secret sees its keys, and masks for values.
        found = discover(mask_secret(_bare(obj)), custom)
    except ActionError as error:
        return {"key": list(key), "actions": [], "error": str(error)}
    return {"key": list(key), "actions": [_action(action) for action in found], "error": ""} if found else None


def _action(action: Action) -> dict[str, Any]:
    return {
        "name": action.name,
        "disabled": action.disabled,
        "display_name": action.display_name,
        "icon_class": action.icon_class,
        "params": [{"name": p.name, "value": p.value, "type": p.type, "default": p.default} for p in action.params],
    }


def _has_actions(key: ResourceKey, custom: CustomActions) -> bool:
    return GroupKind(key.group, key.kind) in BUILT_IN or custom.find(key.group, key.kind) is not None


# --- running one


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done, as the hub asks for it."""

    key: ResourceKey
    action: str
    params: Mapping[str, str]
    permitted: frozenset[tuple[str, ...]]
    """Keys of the objects that may be created, as the application's project has it."""
    moment: Moment


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action gives for one object as it was read."""

    patch: Object
    creations: Sequence[tuple[Kind, Object]]
    secret: bool
    """What is written may hold values of a Secret, and what refuses it quote them."""


async def run_action(context: Context, assignment: Assignment, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Run one action on one object. Returns {"changed": [{operation, key}], "needs": [], "at"}.

    Where it would create objects that are not among the permitted ones nothing is done, and `needs` names their keys:
    whoever may permit them asks again, with the same `at`. Raises QuestionFailed, KubeError.
    """
    client, custom = context.client, context.settings.current.actions
    wish = _wish(parameters, context.clock.now_ms())
    node = await _locate(context, assignment, wish.key)
    kind = _kind_of(await client.discover(), node)
    if kind is None:
        raise QuestionFailed("object-not-found", f"the cluster does not serve the kind of {wish.key}")
    for _ in range(ATTEMPTS):
        obj = await client.get(kind, wish.key.namespace, wish.key.name)
        if obj is None or obj["metadata"].get("uid") != node.uid:
            raise QuestionFailed("object-not-found", f"{wish.key} is not there any more")
        plan = await _plan(context, kind, obj, wish, custom)
        lacking = [key for key in map(_new_key, plan.creations) if tuple(key) not in wish.permitted]
        if lacking:
            return {"changed": [], "needs": [list(key) for key in lacking], "at": wish.moment.at.timestamp()}
        try:
            await _rehearse(client, plan)
            changed = await _carry_out(client, kind, obj, wish, plan)
        except _Changed:
            continue
        log.info("action %s on %s, asked for by %s: %s", wish.action, wish.key, _text(parameters, "by"), changed or "-")
        return {"changed": changed, "needs": [], "at": wish.moment.at.timestamp()}
    raise QuestionFailed(
        "object-changes", f"{wish.key} was changed by others each of {ATTEMPTS} times: nothing was done; try again"
    )


class _Changed(Exception):
    """The object is not as it was read, and nothing was written."""


async def _locate(context: Context, assignment: Assignment, key: ResourceKey) -> Node:
    """Return the object as one of the application's. Raises QuestionFailed."""
    for children in (False, True) if GroupKind(key.group, key.kind) in CHILD_KINDS else (False,):
        found = await grow(context.client, context.live, assignment, children=children, health=False)
        if node := next((node for node in found if node.key == key), None):
            return node
    raise QuestionFailed(
        "object-not-found", f"application {assignment.application} neither manages {key} here, nor owns it"
    )


async def _plan(context: Context, kind: Kind, obj: Object, wish: Wish, custom: CustomActions) -> Plan:
    """Ask the action what it would change. Raises QuestionFailed."""
    bare = _bare(obj)
    try:
        if is_secret(obj):
            changes = _run_on_secret(bare, wish, custom)
        else:
            changes = run(bare, wish.action, wish.params, wish.moment, custom)
        patches = [merge_patch(bare, c.object) for c in changes if c.operation is Operation.PATCH]
    except ActionError as error:
        raise QuestionFailed("action-refused", f"{wish.action} on {wish.key}: {error}") from None
    if len(patches) > 1 or len(changes) > CHANGES_LIMIT:
        much = "patches the object more than once" if len(patches) > 1 else f"changes more than {CHANGES_LIMIT} objects"
        raise QuestionFailed("action-refused", f"{wish.action} on {wish.key}: it {much}: nothing was done")
    discovery = await context.client.discover()
    made = [c.object for c in changes if c.operation is Operation.CREATE]
    creations = [_creation(context, discovery, obj, item, wish) for item in made]
    secret = any(map(is_secret, (obj, *made)))
    return Plan(patches[0] if patches else {}, creations, secret)


def _run_on_secret(obj: Object, wish: Wish, custom: CustomActions) -> list[Change]:
    """A script sees a Secret as it is, and may say of it what it likes; so what it says is not told."""
    masked = discover(mask_secret(obj), custom)
    if wish.action not in {action.name for action in masked}:
        return run(mask_secret(obj), wish.action, wish.params, wish.moment, custom)
    try:
        return run(obj, wish.action, wish.params, wish.moment, custom)
    except ActionError:
        raise ActionError("it failed; why is not told, for that may hold values of the Secret") from None


def _creation(context: Context, discovery: Discovery, source: Object, made: Object, wish: Wish) -> tuple[Kind, Object]:
    """Return an object that is to be created, complete and with its kind. Raises QuestionFailed."""
    words = f"{wish.action} on {wish.key}"
    metadata = made.get("metadata")
    name = (metadata.get("name") or metadata.get("generateName")) if isinstance(metadata, dict) else None
    api_version, kind_name = made.get("apiVersion"), made.get("kind")
    if not all(isinstance(text, str) and text for text in (api_version, kind_name, name)):
        raise QuestionFailed("action-refused", f"{words}: it creates an object without apiVersion, kind or name")
    assert isinstance(metadata, dict)
    assert isinstance(api_version, str) and isinstance(kind_name, str)
    kind = discovery.find(*split_api_version(api_version), kind_name)
    if kind is None or context.settings.excludes(kind.group_kind):
        why = "the cluster does not serve" if kind is None else "the system-wide settings exclude"
        what = "an object" if is_secret(source) else f"a {kind_name} ({api_version})"
        raise QuestionFailed("action-refused", f"{words}: it creates {what}, which {why}")
    # A copy of an object is no object of the application's.
    kept = {
        name: {k: v for k, v in value.items() if k not in (MANAGED_LABEL, TRACKING_ANNOTATION)}
        if name in ("labels", "annotations") and isinstance(value, dict)
        else value
        for name, value in metadata.items()
        if name not in ("resourceVersion", "uid", "managedFields", "creationTimestamp", "generation", "selfLink")
    }
    if kind.namespaced:
        kept["namespace"] = kept.get("namespace") or source["metadata"].get("namespace") or "default"
    else:
        kept.pop("namespace", None)
    return kind, {**made, "metadata": kept}


def _new_key(creation: tuple[Kind, Object]) -> ResourceKey:
    kind, obj = creation
    metadata = obj["metadata"]
    name = metadata.get("name") or f"{metadata['generateName']}*"
    return ResourceKey(kind.group, kind.kind, str(metadata.get("namespace") or ""), str(name))


# --- writing it


async def _rehearse(client: KubeClient, plan: Plan) -> None:
    """Ask whether all that is to be created can be, before anything is done. Raises QuestionFailed."""
    for kind, obj in plan.creations:
        try:
            await client.create(kind, obj, field_manager=ACTION_MANAGER, dry_run=True)
        except errors.KubeError as error:
            raise _failure(error, plan, "nothing was done") from None


async def _carry_out(client: KubeClient, kind: Kind, obj: Object, wish: Wish, plan: Plan) -> list[dict[str, Any]]:
    """Write everything. Raises QuestionFailed, _Changed."""
    changed = []
    if plan.patch:
        await _patch(client, kind, obj, wish, plan)
        changed.append({"operation": "patch", "key": list(wish.key)})
    for made_kind, made in plan.creations:
        done = f"changed before that: {len(changed)}" if changed else "nothing was done"
        try:
            created = await client.create(made_kind, made, field_manager=ACTION_MANAGER)
        except errors.KubeError as error:
            raise _failure(error, plan, done) from None
        key = _new_key((made_kind, {**made, "metadata": {**made["metadata"], "name": created["metadata"]["name"]}}))
        changed.append({"operation": "create", "key": list(key)})
    return changed


async def _patch(client: KubeClient, kind: Kind, obj: Object, wish: Wish, plan: Plan) -> None:
    """Write what is changed of the object, its status first and apart where the kind keeps that apart. Raises
    QuestionFailed, _Changed."""
    metadata, patch = obj["metadata"], plan.patch
    guard = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    rest = {name: value for name, value in patch.items() if name != "status"}
    written = ""
    try:
        if "status" in patch:
            try:
                status = {"metadata": guard, "status": patch["status"]}
                now = await client.patch(kind, wish.key, status, field_manager=ACTION_MANAGER, subresource="status")
            except (errors.KindUnknown, errors.NotFound):
                # The status is kept with the rest; or the object is gone, as the next answer will say.
                rest = patch
            else:
                if not rest:
                    return
                # It has another version now, which is this action's own doing, and no other's.
                written = "its status was changed before that"
                guard["resourceVersion"] = now["metadata"]["resourceVersion"]
        rest = {**rest, "metadata": {**rest.get("metadata", {}), **guard}}
        await client.patch(kind, wish.key, rest, field_manager=ACTION_MANAGER)
    except errors.Conflict as error:
        if not written:
            raise _Changed from None
        raise _failure(error, plan, written) from None
    except errors.NotFound:
        raise QuestionFailed("object-not-found", f"{wish.key} is not there any more") from None
    except errors.KubeError as error:
        nothing = "nothing was done" if isinstance(error, errors.Permanent) else "it may have been done"
        raise _failure(error, plan, written or nothing) from None


def _failure(error: errors.KubeError, plan: Plan, done: str) -> QuestionFailed:
    """Return an API server's refusal, or that it gave no answer, in words; those about a Secret's values are not
    told."""
    if isinstance(error, errors.Conflict | errors.Permanent):
        words = "the API server refused it" if plan.secret else error.message
        return QuestionFailed("action-refused", f"{words}{error.hint}; {done}")
    words = "it gave no answer of use" if plan.secret else error.message
    return QuestionFailed("cluster", f"the cluster's API: {words}{error.hint}; {done}")


# --- what the hub asks with


def _wish(parameters: Mapping[str, Any], now_ms: int) -> Wish:
    """Raises QuestionFailed."""
    key = ResourceKey(*(_text(parameters, name) for name in _SELECTOR))
    action, params = _text(parameters, "action"), parameters.get("params") or {}
    permitted, at = parameters.get("permitted") or [], parameters.get("at")
    texts = isinstance(params, dict) and all(isinstance(text, str) for pair in params.items() for text in pair)
    lists = isinstance(permitted, list) and all(isinstance(item, list) for item in permitted)
    if not (key.kind and key.name and action and texts and lists) or len(params) > _PARAMETERS_LIMIT:
        raise QuestionFailed("bad-question", "an action is run by its name, on one object, with texts for parameters")
    try:
        moment = Moment(datetime.fromtimestamp(float(at if at is not None else now_ms / 1000), UTC))
    except (TypeError, ValueError, OverflowError, OSError):
        raise QuestionFailed("bad-question", "the time of an action is no time") from None
    return Wish(key, action, params, frozenset(tuple(map(str, item)) for item in permitted), moment)


def _text(parameters: Mapping[str, Any], name: str) -> str:
    """Raises QuestionFailed."""
    text = parameters.get(name, "")
    if not isinstance(text, str) or len(text) > _TEXT_LIMIT:
        raise QuestionFailed("bad-question", f"{name} is no text of at most {_TEXT_LIMIT} characters")
    return text


def _kind_of(discovery: Discovery, node: Node) -> Kind | None:
    key = node.key
    found = discovery.find(key.group, node.version, key.kind)
    return found or discovery.preferred.get(GroupKind(key.group, key.kind))


def _bare(obj: Object) -> Object:
    """Return an object without the account of who manages what, which no action is about and which is long."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}
