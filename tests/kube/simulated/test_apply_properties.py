"""What server-side apply promises, for objects and managers nobody thought of."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from agent.engine.drift import compare
from agent.engine.ignore import NO_IGNORES
from agent.engine.resource import FIELD_MANAGER, GroupKind, Object
from agent.kube.client import ApplyOptions, Kind
from agent.kube.errors import KubeError
from agent.kube.simulated.kinds import VERSION
from agent.kube.simulated.predict import Predictor
from agent.kube.simulated.registry import Registry
from agent.kube.simulated.seed import plant
from agent.kube.simulated.storage import Storage
from agent.kube.simulated.writes import Writer
from tests.kube.manifests import (
    CONFIG_MAP,
    DEPLOYMENT,
    config_map,
    container,
    custom_kind,
    definition,
    deployment,
    manifest,
)

THING = custom_kind("Thing")
DRY_RUN = ApplyOptions(dry_run=True)


class Server:
    """A storage with a writer and no controllers: what an API server is without its controller manager."""

    def __init__(self) -> None:
        self.storage = Storage(seed=1)
        plant(self.storage)
        self.registry = Registry(VERSION)
        self.registry.add(definition("Thing"))
        self.writer = Writer(self.storage, self.registry)

    def apply(self, kind: Kind, given: Object, manager: str = "m", force: bool = True, dry_run: bool = False) -> Object:
        options = ApplyOptions(field_manager=manager, force=force, dry_run=dry_run)
        return self.writer.apply(kind, given, options)

    def state(self) -> tuple[int, dict[GroupKind, dict[str, dict[str, bytes]]]]:
        return self.storage.version, {
            kind: {ns: {name: record.data for name, record in names.items()} for ns, names in table.objects.items()}
            for kind, table in self.storage.tables.items()
            if table.objects
        }


names = st.sampled_from(["a", "b", "c", "d"])
texts = st.sampled_from(["1", "2", ""])
maps = st.dictionaries(names, texts, max_size=4)
filled = st.dictionaries(names, texts, min_size=1, max_size=4)
"""An empty map is a field of its own, that two managers can be at odds over."""
config_maps = st.builds(
    lambda data, labels, annotations: config_map("default", data=data, labels=labels, annotations=annotations),
    maps,
    maps,
    maps,
)


def _unique(of: st.SearchStrategy[Object], key: str) -> st.SearchStrategy[list[Object]]:
    return st.lists(of, max_size=3, unique_by=lambda item: str(item[key]))


@st.composite
def _containers(draw: st.DrawFn) -> Object:
    more: Object = {}
    variable = st.fixed_dictionaries({"name": names}, optional={"value": texts})
    port = st.fixed_dictionaries({"containerPort": st.sampled_from([80, 81])})
    for key, strategy in (
        ("env", _unique(variable, "name")),
        ("ports", _unique(port, "containerPort")),
        ("args", st.lists(texts, max_size=2)),
        ("resources", st.sampled_from([{}, {"limits": {"cpu": "1000m"}}, {"requests": {"cpu": "0.5"}}])),
    ):
        if draw(st.booleans()):
            more[key] = draw(strategy)
    return container(draw(names), draw(st.sampled_from(["i:1", "i:2"])), **more)


@st.composite
def deployments(draw: st.DrawFn) -> Object:
    containers = draw(st.lists(_containers(), min_size=1, max_size=3, unique_by=lambda c: str(c["name"])))
    spec: Object = {}
    if draw(st.booleans()):
        spec["replicas"] = draw(st.integers(0, 3))
    if draw(st.booleans()):
        spec["strategy"] = draw(st.sampled_from([{"type": "Recreate"}, {"type": "RollingUpdate"}]))
    return deployment("default", *containers, name="web", **spec)


@st.composite
def things(draw: st.DrawFn) -> Object:
    item = st.fixed_dictionaries({"name": names}, optional={"value": st.integers(0, 2)})
    parts: dict[str, st.SearchStrategy[Any]] = {
        "size": st.integers(1, 3),
        "labels": maps,
        "items": _unique(item, "name").filter(bool),
        "words": st.lists(texts, max_size=2),
        "free": st.dictionaries(names, st.one_of(texts, maps), max_size=3),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(parts))))
    # Something is always stated: of an object nobody states anything of, the server keeps no account.
    spec = {key: draw(parts[key]) for key in sorted(chosen)}
    return manifest(THING, "default", "one", {"spec": spec}, labels={"stated": "yes"})


objects = st.one_of(
    st.tuples(st.just(CONFIG_MAP), config_maps, config_maps),
    st.tuples(st.just(DEPLOYMENT), deployments(), deployments()),
    st.tuples(st.just(THING), things(), things()),
)
Pair = tuple[Kind, Object, Object]


def _accepted(server: Server, kind: Kind, given: Object, manager: str = "m") -> Object:
    """Apply something that may not make sense together with what is there; such examples say nothing."""
    try:
        return server.apply(kind, given, manager)
    except KubeError:
        assume(False)
        raise


@given(objects)
def test_twice_is_once(pair: Pair) -> None:
    kind, given, _ = pair
    server = Server()
    first = _accepted(server, kind, given)
    state = server.state()
    assert server.apply(kind, given) == first
    assert server.state() == state


@given(objects)
def test_what_was_applied_is_never_drift(pair: Pair) -> None:
    kind, given, theirs = pair
    server = Server()
    _accepted(server, kind, theirs, "somebody")
    live = _accepted(server, kind, given, FIELD_MANAGER)
    predicted = server.apply(kind, given, FIELD_MANAGER, dry_run=True)
    assert compare(predicted, live, NO_IGNORES) == []


@given(objects)
def test_what_is_predicted_from_two_objects_is_what_the_server_says(pair: Pair) -> None:
    kind, given, before = pair
    server = Server()
    _accepted(server, kind, given, "somebody")
    live = _accepted(server, kind, before, FIELD_MANAGER)
    try:
        said = server.apply(kind, given, FIELD_MANAGER, dry_run=True)
    except KubeError:
        assume(False)
    prediction = Predictor([definition("Thing")]).predict(given, live)
    assert prediction.live is not None and prediction.problems == ()
    assert compare(prediction.predicted, said, NO_IGNORES) == []
    assert bool(compare(prediction.predicted, prediction.live, NO_IGNORES)) is bool(compare(said, live, NO_IGNORES))


@given(objects)
def test_the_way_there_does_not_matter(pair: Pair) -> None:
    """One manager alone: what is there follows from the last thing applied."""
    kind, given, before = pair
    detour, direct = Server(), Server()
    _accepted(detour, kind, before)
    reached, wanted = _accepted(detour, kind, given), _accepted(direct, kind, given)
    assert _plain(reached, kind) == _plain(wanted, kind)


def _plain(obj: Object, kind: Kind) -> Object:
    """An object without what tells versions apart; lists that merge by element, without their order."""
    metadata = {key: obj["metadata"][key] for key in ("labels", "annotations") if key in obj["metadata"]}
    (entry,) = obj["metadata"].get("managedFields") or ({"fieldsV1": {}},)
    rest = {key: value for key, value in obj.items() if key != "metadata"}
    if kind == THING:
        # The server keeps an empty list, or a null, where a list or a map had something once.
        rest["spec"] = _filled(rest.get("spec") or {})
    return {**rest, "metadata": metadata, "owned": entry["fieldsV1"]}


def _filled(part: Object) -> Object:
    plain = {key: _filled(value) if isinstance(value, dict) else value for key, value in part.items()}
    return {key: value for key, value in plain.items() if value not in ([], {}, None)}


@given(objects)
def test_dry_run_tells_what_happens_and_does_nothing(pair: Pair) -> None:
    kind, given, before = pair
    server = Server()
    _accepted(server, kind, before)
    state = server.state()
    try:
        would = server.apply(kind, given, dry_run=True)
    except KubeError as refused:
        assert server.state() == state
        try:
            server.apply(kind, given)
        except KubeError as error:
            assert str(error) == str(refused)
        else:
            raise AssertionError("what the dry run refused was accepted") from refused
        return
    assert server.state() == state
    did = server.apply(kind, given)
    for obj in (would, did):
        del obj["metadata"]["resourceVersion"]
    assert would == did


@given(filled, filled)
def test_managers_of_different_fields_never_conflict(mine: dict[str, str], theirs: dict[str, str]) -> None:
    theirs = {f"their-{key}": value for key, value in theirs.items()}
    server = Server()
    server.apply(CONFIG_MAP, config_map("default", data=mine), "me", force=False)
    server.apply(CONFIG_MAP, config_map("default", data=theirs), "they", force=False)
    both = server.apply(CONFIG_MAP, config_map("default", data=mine), "me", force=False)
    assert both.get("data", {}) == mine | theirs


@given(filled, filled, filled)
def test_letting_go_removes_what_nobody_else_holds(
    mine: dict[str, str], theirs: dict[str, str], kept: dict[str, str]
) -> None:
    theirs = {key: mine.get(key, value) for key, value in theirs.items()}
    kept = {key: value for key, value in mine.items() if key in kept}
    server = Server()
    server.apply(CONFIG_MAP, config_map("default", data=mine), "me", force=False)
    server.apply(CONFIG_MAP, config_map("default", data=theirs), "they", force=False)
    left = server.apply(CONFIG_MAP, config_map("default", data=kept), "me", force=False)
    assert left.get("data", {}) == kept | theirs


@given(objects)
def test_force_leaves_no_field_with_two_values(pair: Pair) -> None:
    """After a forced apply, everything applied is there, and applying the same without force finds no conflict."""
    kind, given, others = pair
    server = Server()
    _accepted(server, kind, others, "others")
    _accepted(server, kind, given, "me")
    state = server.state()
    server.apply(kind, given, "me", force=False)
    assert server.state() == state


@given(objects)
def test_nothing_given_or_returned_is_shared(pair: Pair) -> None:
    kind, given, _ = pair
    server = Server()
    given, original = copy.deepcopy(given), given
    returned = _accepted(server, kind, given)
    assert given == original
    state = server.state()
    _scribble(given)
    _scribble(returned)
    assert server.state() == state


def _scribble(value: Any) -> None:
    for item in list(value.values()) if isinstance(value, dict) else list(value):
        if isinstance(item, (dict, list)):
            _scribble(item)
    if isinstance(value, dict):
        value["scribble"] = True
    else:
        value.append("scribble")
