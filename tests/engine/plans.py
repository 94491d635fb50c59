"""Plans in tests: objects in short, plans of them and what they say, and worlds that hypothesis makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from agent.engine.needs import NAMESPACE
from agent.engine.reconcile import Action, Judged, Live, Pair, Target, reconcile
from agent.engine.resource import GroupKind, ResourceKey
from agent.engine.tasks import Plan, Task, Wave, make_plan
from agent.engine.traits import CRD, PLAIN, SyncPhase, Traits

MINE = "app"
WIDGET = GroupKind("example.org", "Widget")
ODD = GroupKind("odd.k8s.io", "Secret")
"""A custom kind that nothing in its name tells from the early ones."""
PRE, SYNC, POST, FAIL = SyncPhase.PRE_SYNC, SyncPhase.SYNC, SyncPhase.POST_SYNC, SyncPhase.SYNC_FAIL
PRE_DELETE, POST_DELETE = SyncPhase.PRE_DELETE, SyncPhase.POST_DELETE
RANKS = [PRE_DELETE, PRE, SYNC, POST, POST_DELETE]
"""The phases in their order."""


# --- by example


def key_of(text: str) -> ResourceKey:
    """Read "Kind/name", "Kind/namespace/name", or either with a group: "example.org:Kind/name"."""
    group, _, rest = text.rpartition(":")
    kind, *namespace, name = rest.split("/")
    group = group or {"Deployment": "apps", "Job": "batch", "CustomResourceDefinition": CRD.group}.get(kind, "")
    return ResourceKey(group, kind, namespace[0] if namespace else "", name)


def target(text: str, wave: int = 0, **traits: object) -> Target:
    return Target(key_of(text), "v1", "digest", traits=Traits(wave=wave, **traits))  # type: ignore[arg-type]


def hook(text: str, *phases: SyncPhase, wave: int = 0) -> Target:
    return target(text, wave, hook=frozenset(phases))


def live(text: str, wave: int = 0, *options: str, application: str = MINE, **traits: object) -> Live:
    asked = Traits(wave=wave, sync_options=options, **traits)  # type: ignore[arg-type]
    return Live(key_of(text), "v1", "uid", "1", b"hash", application, asked)


def definition(name: str = "widgets.example.org", wave: int = 0, kind: GroupKind = WIDGET) -> Target:
    return target(f"CustomResourceDefinition/{name}", wave, defines=kind)


def plan_of(
    *targets: Target, there: Iterable[Live] = (), ends: bool = False, judged: Iterable[str] = (), **how: object
) -> Plan:
    resources = {t.key: t for t in targets if not t.traits.is_hook}
    hooks = {t.key: t for t in targets if t.traits.is_hook}
    known = {key_of(text): Judged("digest", b"hash") for text in judged}
    pairs = reconcile(MINE, resources, there, known, hooks=hooks, ends=ends)
    return make_plan(pairs, hooks, **{"prune": True, "ends": ends, **how})  # type: ignore[arg-type]


def shown(waves: Iterable[Wave]) -> list[str]:
    """Return what is done, in order: "Sync 0: -Secret/c +Secret/a +Secret/b"."""
    lines = []
    for wave in waves:
        tasks = [f"{'-' if t.pair.action is Action.PRUNE else '+'}{t.key.kind}/{t.key.name}" for t in wave.tasks]
        same = [f"={t.key.kind}/{t.key.name}" for t in wave.unchanged]
        lines.append(f"{wave.phase} {wave.number}: {' '.join(tasks + same)}")
    return lines


def every_task(plan: Plan) -> list[tuple[Wave, Task]]:
    return [(wave, task) for wave in (*plan.waves, *plan.on_failure) for task in (*wave.tasks, *wave.unchanged)]


# --- whatever is there


GROUP_KINDS = [NAMESPACE, GroupKind("", "Secret"), GroupKind("apps", "Deployment"), GroupKind("batch", "Job")]
KEYS = (
    st.builds(
        lambda gk, namespace, name: ResourceKey(gk.group, gk.kind, "" if gk == NAMESPACE else namespace, name),
        st.sampled_from([*GROUP_KINDS, WIDGET, ODD]),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from("abc"),
    )
    | st.sampled_from("ab").map(lambda name: ResourceKey(*NAMESPACE, "", name))
    | st.sampled_from("ab").map(lambda name: ResourceKey(*CRD, "", name))
)
WAVES = st.integers(-2, 2)
PHASES = st.frozensets(st.sampled_from(SyncPhase), max_size=3)
OPTIONS = st.sampled_from([(), (), (), ("PruneLast=true",), ("Prune=false",), ("Delete=false",), ("Prune=confirm",)])
TRAITS = st.just(PLAIN) | st.builds(Traits, WAVES, st.none() | PHASES, st.just(frozenset()), OPTIONS)
HOW = st.fixed_dictionaries(
    {"prune": st.booleans(), "prune_last": st.booleans(), "out_of_sync_only": st.booleans()},
    optional={"only": st.frozensets(KEYS)},
)
"""However a plan may be asked for."""


def with_kind(key: ResourceKey, traits: Traits) -> Traits:
    """Return traits as an object of that key has them."""
    if (key.group, key.kind) == CRD:
        return replace(traits, defines=WIDGET if key.name == "a" else ODD)
    return traits


@dataclass(frozen=True)
class World:
    """What is assigned, what is there, and what is known of it."""

    targets: Mapping[ResourceKey, Target]
    hooks: Mapping[ResourceKey, Target]
    there: tuple[Live, ...]
    judged: Mapping[ResourceKey, Judged]
    ends: bool

    def pairs(self) -> list[Pair]:
        return reconcile(MINE, self.targets, self.there, self.judged, hooks=self.hooks, ends=self.ends)

    def plan(self, *, prune: bool = True, prune_last: bool = False, **how: object) -> Plan:
        return make_plan(self.pairs(), self.hooks, prune=prune, prune_last=prune_last, ends=self.ends, **how)  # type: ignore[arg-type]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    assigned = {
        key: Target(key, "v1", draw(st.sampled_from(["d1", "d2"])), traits=with_kind(key, draw(TRAITS)))
        for key in draw(st.lists(KEYS, max_size=8, unique=True))
    }
    ends = draw(st.booleans())
    there = tuple(
        Live(
            key,
            "v1",
            "uid",
            "1",
            draw(st.sampled_from([b"h1", b"h2"])),
            draw(st.sampled_from([MINE, MINE, MINE, "other", ""])),
            with_kind(key, draw(TRAITS)),
            draw(st.booleans()),
        )
        for key in draw(
            st.lists(KEYS | st.sampled_from(sorted(assigned)) if assigned else KEYS, max_size=8, unique=True)
        )
    )
    judged = draw(st.dictionaries(KEYS, st.builds(Judged, st.just("d1"), st.just(b"h1")), max_size=4))
    hooks = {key: t for key, t in assigned.items() if t.traits.is_hook}
    return World({} if ends else {k: t for k, t in assigned.items() if k not in hooks}, hooks, there, judged, ends)
