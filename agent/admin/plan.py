"""`escadre admin plan`: what a sync would do, and in which order, from files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import click
import orjson

from agent.admin.assigned import (
    Assigned,
    Placed,
    Scopes,
    as_if_there,
    covers,
    read_assigned,
    read_live,
    scopes_of,
)
from agent.admin.folders import is_folder, nothing_in, read_placed
from agent.admin.objects import Misuse, printable
from agent.admin.plan_report import Answer, Skipped
from agent.engine.misspelt import misspelt
from agent.engine.options import VALUES, SyncOptions, read_options
from agent.engine.reconcile import Action, Judged, Live, reconcile
from agent.engine.resource import ResourceKey
from agent.engine.tasks import Plan, make_plan
from agent.engine.traits import Traits


@click.command(
    "plan",
    epilog="""
    escadre admin plan deploy/
    helm template web chart | escadre admin plan - --namespace shop
    escadre admin plan deploy/ --live live.yaml --application web -o json
    escadre admin plan deploy/ --delete
    """,
)
@click.argument("manifests", metavar="DIR|FILE|-")
@click.option("--live", metavar="DIR|FILE", help="What is there now, as `kubectl get -o yaml` prints it.")
@click.option("--namespace", default="default", metavar="NS", show_default=True, help="The destination's namespace.")
@click.option(
    "--application",
    metavar="NAME",
    help="Whose sync it is: what is there with its tracking id is its own. By default the one that --live names.",
)
@click.option("--assume-tracked", is_flag=True, help="Take all of --live for the application's own.")
@click.option("--prune/--no-prune", default=None, help="Whether what is not in the manifests any more goes.  [yes]")
@click.option("--delete", is_flag=True, help="Plan the end of the application; without --live, all of it is there.")
@click.option(
    "--sync-option",
    "sync_options",
    multiple=True,
    metavar="NAME=VALUE",
    help="A sync option of the application. Repeatable.",
)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)
def command(
    manifests: str,
    live: str | None,
    namespace: str,
    application: str | None,
    assume_tracked: bool,
    prune: bool | None,
    delete: bool,
    sync_options: tuple[str, ...],
    output: str,
) -> None:
    """Say what a sync would do, and in which order, as an agent decides it.

    Reads manifests (YAML documents, JSON, arrays, Lists; of a folder every .yaml, .yml and .json file below it, where
    what has nothing of a manifest is passed over), and prints the phases, the waves in them, and what is applied and
    pruned in each; what only runs if something fails; what is passed over, and what is left alone, with the reasons. No
    cluster is asked: a kind that is neither built in nor defined by a CustomResourceDefinition among the files is taken
    to live in a namespace.
    """
    if delete and prune is not None:
        raise Misuse("--prune and --no-prune are of a sync; --delete deletes what the application put there")
    if live is None and (assume_tracked or application is not None) and not delete:
        raise Misuse("--application and --assume-tracked say what is to be made of --live, which is not given")
    if manifests == live == "-":
        raise Misuse("standard input cannot be both the manifests and what is live")
    options = read_options(_checked_options(sync_options))
    wanted = list(read_placed(manifests))
    if not wanted and is_folder(manifests):
        click.echo(f"warning: {nothing_in(manifests)}", err=True)
    _tell_misspelt(wanted)
    there = list(read_placed(live)) if live is not None else None
    question = Question(
        wanted, there, namespace, application or "", assume_tracked, prune is not False, delete, options
    )
    answer = question.answer()
    click.echo(orjson.dumps(answer.as_json()) if output == "json" else "\n".join(answer.as_text()))


def _tell_misspelt(found: Iterable[Placed]) -> None:
    for place, obj in found:
        for words in misspelt(obj):
            what = f"{obj['kind']}/{(obj.get('metadata') or {}).get('name', '')}"
            click.echo(f"warning: {place}: {printable(what)}: {words}", err=True)


def _checked_options(options: Iterable[str]) -> list[str]:
    for option in options:
        name, _, value = option.partition("=")
        if name not in VALUES:
            raise Misuse(f"--sync-option {option}: there is no sync option {name!r}; there are {', '.join(VALUES)}")
        if value not in VALUES[name]:
            raise Misuse(f"--sync-option {option}: {name} is one of {', '.join(VALUES[name])}")
    return list(options)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    manifests: list[Placed]
    there: list[Placed] | None
    namespace: str
    application: str
    assume_tracked: bool
    prune: bool
    ends: bool
    options: SyncOptions

    @property
    def _refusal(self) -> str:
        """Why nothing is deleted; "" when nothing stands against it."""
        option, value = ("Delete", self.options.delete) if self.ends else ("Prune", self.options.prune)
        if value == "false":
            return f"the application's sync option {option}=false says to leave it"
        return "" if self.ends or self.prune else "no longer among the manifests; pruning is off"

    def answer(self) -> Answer:
        """Decide as an agent would. Raises Misuse."""
        scopes = scopes_of([*self.manifests, *(self.there or ())])
        assigned = read_assigned(self.manifests, scopes, self.namespace)
        live = read_live(self.there or (), scopes, self.namespace)
        application = self.application or self._owner(live)
        if self.assume_tracked:
            live = [replace(o, application=application) for o in live]
        if self.there is None and self.ends:
            live = as_if_there(assigned, application)
        same = self._as_assigned(assigned, scopes) if self.options.out_of_sync_only else {}
        plan = self._plan(assigned, live, application, same)
        return Answer(plan, self._skipped(assigned, plan), self._created_namespace(assigned, live), self._refusal)

    def _owner(self, live: list[Live]) -> str:
        found = {o.application for o in live if o.application}
        if len(found) > 1 and not self.assume_tracked:
            raise Misuse(
                f"what is live is tracked by several applications ({', '.join(sorted(found))}): "
                "say by --application NAME whose sync it is"
            )
        return min(found, default="application")

    def _plan(self, assigned: Assigned, live: list[Live], application: str, same: dict[ResourceKey, Judged]) -> Plan:
        targets = {} if self.ends else assigned.resources
        pairs = reconcile(application, targets, live, same, hooks=assigned.hooks.keys(), ends=self.ends)
        if (self.options.delete if self.ends else self.options.prune) == "confirm":
            pairs = [replace(p, confirm=True) if p.action is Action.PRUNE else p for p in pairs]
        return make_plan(
            pairs,
            # What is not to be deleted ends without its hooks too.
            {} if self.ends and self._refusal else assigned.hooks,
            prune=not self._refusal,
            prune_last=self.options.prune_last,
            ends=self.ends,
            out_of_sync_only=self.options.out_of_sync_only,
        )

    def _as_assigned(self, assigned: Assigned, scopes: Scopes) -> dict[ResourceKey, Judged]:
        """Return verdicts on what has everything its manifest asks for."""
        live = read_assigned(self.there or (), scopes, self.namespace).objects
        found = {key: live[key] for key in assigned.resources if key in live}
        return {key: Judged("", b"") for key, obj in found.items() if covers(obj, assigned.objects[key])}

    def _skipped(self, assigned: Assigned, plan: Plan) -> list[Skipped]:
        found = [
            Skipped(key, assigned.versions[key], f"it is there more than once; the one in {place} is used")
            for key, place in assigned.repeated
        ]
        running = {task.key for wave in (*plan.waves, *plan.on_failure) for task in wave.tasks if task.hook}
        found += [
            Skipped(key, target.version, self._why_not(target.traits))
            for key, target in assigned.hooks.items()
            if key not in running
        ]
        return sorted(found, key=lambda skipped: skipped.key)

    def _why_not(self, traits: Traits) -> str:
        if self.ends and self._refusal:
            return "nothing is deleted, so no hook runs"
        if not traits.hook:
            return "it is a hook that no phase runs: Skip, a test of Helm, or a word that nobody knows"
        phases = ", ".join(sorted(traits.hook))
        return f"it is a hook of {phases}, which {'the end of an application' if self.ends else 'a sync'} does not run"

    def _created_namespace(self, assigned: Assigned, live: list[Live]) -> str | None:
        key = ResourceKey("", "Namespace", "", self.namespace)
        there = key in assigned.resources or any(o.key == key for o in live)
        return self.namespace if self.options.create_namespace and not self.ends and not there else None
