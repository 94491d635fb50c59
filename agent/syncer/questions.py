"""Answering people's questions about one application from the cluster itself: diff, live objects, owners, actions.

Secrets are masked here, before anything leaves the cluster. Every answer is bounded.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from agent.engine.assignment import Assignment
from agent.engine.manifest_set import IncompleteSet
from agent.engine.mask import mask_secret
from agent.engine.options import read_options
from agent.engine.orphans import OrphanRules, orphans_among
from agent.engine.reconcile import Action, surplus
from agent.engine.resource import Object, ResourceKey
from agent.hubclient.fetched import Question, QuestionFailed, read_parameters, read_set
from agent.kube import errors
from agent.kube.client import KubeClient
from agent.syncer.context import Context
from agent.syncer.judge import compare_with, predict
from agent.syncer.live import LiveState
from agent.syncer.shelf import Shelf
from agent.syncer.targets import Targets, load_targets, manifest_of
from agent.syncer.tree import Node, grow

OBJECTS_LIMIT = 5000
PARALLEL = 16


async def answer(context: Context, shelf: Shelf, assignment: Assignment, question: Question) -> bytes:
    """Return the answer as JSON. Raises QuestionFailed, KubeError."""
    client, live = context.client, context.live
    parameters = read_parameters(question)
    if question.kind == "tree":
        return orjson.dumps(await _tree(client, live, assignment))
    if question.kind in ("actions", "run-action"):
        # Loaded where somebody asks: an agent at rest is counted by what it holds.
        from agent.syncer.actions import list_actions, run_action

        act = list_actions if question.kind == "actions" else run_action
        return orjson.dumps(await act(context, assignment, parameters))
    if question.kind == "orphans":
        return orjson.dumps(await _orphans(context, shelf, assignment))
    targets = await _targets(context, shelf, assignment, parameters)
    if question.kind == "diff":
        return orjson.dumps(await _diff(context, shelf, assignment, targets))
    if question.kind == "live":
        return orjson.dumps(await _live(client, targets))
    raise QuestionFailed(
        "unknown-question", f"this agent cannot answer {question.kind!r}; it may be older than the hub"
    )


async def _targets(context: Context, shelf: Shelf, assignment: Assignment, parameters: dict[str, Any]) -> Targets:
    ref = read_set(parameters) or assignment.manifest_set
    try:
        return load_targets(shelf, await context.client.discover(), assignment, ref, context.settings.excludes)
    except IncompleteSet as error:
        raise QuestionFailed("not-here", str(error)) from error


async def _orphans(context: Context, shelf: Shelf, assignment: Assignment) -> dict[str, Any]:
    """Return {"resources": [key], "more": how many there are beyond these, "unseen": [what could not be looked at]}."""
    wanted, namespace, watch = assignment.orphans, assignment.namespace, context.orphans
    if wanted is None:
        raise QuestionFailed(
            "not-looked-for",
            f"the project {assignment.project} does not ask for orphaned resources: set spec.orphanedResources there",
        )
    if not namespace:
        return {"resources": [], "more": 0, "unseen": []}
    if not watch.known(namespace):
        raise QuestionFailed("not-listed", f"the objects in namespace {namespace} are still being listed: ask again")
    targets = await _targets(context, shelf, assignment, {})
    own = {*targets.resources, *targets.hooks}
    found = orphans_among(watch.seen(namespace), OrphanRules(wanted), context.assigned, own)
    rows = [list(key) for key in found[:OBJECTS_LIMIT]]
    return {"resources": rows, "more": len(found) - len(rows), "unseen": watch.unseen()}


async def _diff(context: Context, shelf: Shelf, assignment: Assignment, targets: Targets) -> dict[str, Any]:
    """Return {"resources": [{key, change: create|update|prune|error, diff, message}]} for what differs."""
    client, live = context.client, context.live
    compare = context.settings.current.compare
    ignores = compare.rules(assignment.ignore_differences)
    options = read_options(assignment.policy.sync_options)
    # Loaded where somebody asks: an agent at rest is counted by what it holds.
    from agent.engine.diff import unified_diff

    gate = asyncio.Semaphore(PARALLEL)

    async def one(key: ResourceKey) -> dict[str, Any] | None:
        target, kind = targets.resources[key], targets.kinds.get(key)
        if kind is None:
            return _row(key, "error", message="the cluster does not serve this kind")
        content = shelf.blob(target.digest)
        if content is None:
            return _row(key, "error", message="its manifest is not on the agent's disk")
        manifest = manifest_of(content, target, assignment.tracking_name)
        try:
            async with gate:
                found = await client.get(kind, key.namespace, key.name)
                predicted = await predict(client, kind, manifest, validate=options.validates(target.traits))
        except errors.NotFound:
            # Its namespace is not there yet, so nobody can say more of it than the manifest does.
            return _row(key, "create", unified_diff(manifest, None, key, ignore=ignores.for_object(key)))
        except errors.KubeError as error:
            return _row(key, "error", message=f"{error.reason}: {error}")
        if found is not None and compare_with(predicted, found, target, ignores, compare.options).synced:
            return None
        diff = unified_diff(predicted, found, key, ignore=ignores.for_object(key), options=compare.options)
        return _row(key, "create" if found is None else "update", diff)

    rows = await asyncio.gather(*map(one, targets.resources))
    name = assignment.tracking_name
    found = surplus(name, targets.resources.keys(), live.of_application(name), hooks=targets.hooks.keys())
    pruned = [_row(p.key, "prune", message="no longer assigned") for p in found if p.action is Action.PRUNE]
    return {"resources": [r for r in rows if r is not None] + pruned}


def _row(key: ResourceKey, change: str, diff: str = "", message: str = "") -> dict[str, Any]:
    return {"key": list(key), "change": change, "diff": diff, "message": message}


async def _live(client: KubeClient, targets: Targets) -> dict[str, Any]:
    """Return {"objects": [...]}: the live objects, secrets masked, without managedFields."""
    gate = asyncio.Semaphore(PARALLEL)

    async def one(key: ResourceKey) -> Object | None:
        async with gate:
            found = await client.get(targets.kinds[key], key.namespace, key.name)
        return _presentable(found) if found is not None else None

    objects = await asyncio.gather(*map(one, list(targets.kinds)[:OBJECTS_LIMIT]))
    return {"objects": [o for o in objects if o is not None]}


def _presentable(obj: Object) -> Object:
    shown = dict(mask_secret(obj))
    metadata = dict(shown["metadata"])
    metadata.pop("managedFields", None)
    shown["metadata"] = metadata
    return shown


async def _tree(client: KubeClient, live: LiveState, assignment: Assignment) -> dict[str, Any]:
    """Return {"nodes": [{key, uid, parent, health, message, managed}]}: what is managed, and all that it owns."""
    return {"nodes": [_node(node) for node in await grow(client, live, assignment)]}


def _node(node: Node) -> dict[str, Any]:
    health, message = (node.health.status, node.health.message) if node.health else (None, "")
    return {
        "key": list(node.key),
        "uid": node.uid,
        "parent": node.parent,
        "health": health,
        "message": message,
        "managed": node.managed,
    }
