"""What annotations ask for: Argo CD's first, Helm's where those say nothing, and nothing where they make no sense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.resource import GroupKind, Object
from agent.engine.traits import ANNOTATIONS, PLAIN, DeletePolicy, SyncPhase, Traits, traits_of

A, H = "argocd.argoproj.io/", "helm.sh/"
PRE, SYNC, POST, FAIL = SyncPhase.PRE_SYNC, SyncPhase.SYNC, SyncPhase.POST_SYNC, SyncPhase.SYNC_FAIL
PRE_DELETE, POST_DELETE = SyncPhase.PRE_DELETE, SyncPhase.POST_DELETE
BEFORE, SUCCEEDED, FAILED = DeletePolicy.BEFORE_CREATION, DeletePolicy.SUCCEEDED, DeletePolicy.FAILED


def read(annotations: dict[str, Any]) -> Traits:
    return traits_of({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "annotations": annotations}})


@pytest.mark.parametrize(
    ("annotations", "phases"),
    [
        ({}, None),
        ({A + "hook": "PreSync"}, {PRE}),
        ({A + "hook": "Sync"}, {SYNC}),
        ({A + "hook": "PostSync"}, {POST}),
        ({A + "hook": "SyncFail"}, {FAIL}),
        ({A + "hook": "PreDelete"}, {PRE_DELETE}),
        ({A + "hook": "PostDelete"}, {POST_DELETE}),
        ({A + "hook": "PreSync,PostSync"}, {PRE, POST}),
        ({A + "hook": " PreSync ,, PostSync,PreSync "}, {PRE, POST}),
        ({A + "hook": "Skip"}, set()),
        ({A + "hook": "Skip,Skip,Nonsense"}, set()),
        # Beside a phase, Skip says nothing.
        ({A + "hook": "Skip,PreSync"}, {PRE}),
        # A hook that nothing knows when to run is a hook all the same.
        ({A + "hook": ""}, set()),
        ({A + "hook": "presync"}, set()),
        ({A + "hook": "Nonsense"}, set()),
        ({A + "hook": "Nonsense,PostSync"}, {POST}),
        ({H + "hook": "pre-install"}, {PRE}),
        ({H + "hook": "pre-upgrade"}, {PRE}),
        ({H + "hook": "pre-install,pre-upgrade"}, {PRE}),
        ({H + "hook": "post-install, post-upgrade"}, {POST}),
        ({H + "hook": "pre-install,post-upgrade"}, {PRE, POST}),
        ({H + "hook": "pre-delete"}, {PRE_DELETE}),
        ({H + "hook": "post-delete"}, {POST_DELETE}),
        ({H + "hook": "test"}, set()),
        ({H + "hook": "test-success"}, set()),
        ({H + "hook": "pre-rollback,post-rollback"}, set()),
        ({H + "hook": "pre-rollback,post-install"}, {POST}),
        ({H + "hook": ""}, set()),
        # Helm 2's mark of a definition, which is no hook.
        ({H + "hook": "crd-install"}, None),
        ({H + "hook": "crd-install,pre-install"}, {PRE}),
        # Argo CD's hides Helm's, but for one that says nothing.
        ({A + "hook": "PostSync", H + "hook": "pre-install"}, {POST}),
        ({A + "hook": "Skip", H + "hook": "pre-install"}, set()),
        ({A + "hook": "PostDelete", H + "hook": "pre-install"}, {POST_DELETE}),
        ({A + "hook": "PostSync", H + "hook": "crd-install"}, {POST}),
        ({A + "hook": "Nonsense", H + "hook": "pre-install"}, {PRE}),
        ({A + "hook": "", H + "hook": "pre-install"}, {PRE}),
    ],
)
def test_hooks(annotations: dict[str, str], phases: set[SyncPhase] | None) -> None:
    traits = read(annotations)
    assert traits.hook == (None if phases is None else frozenset(phases))
    assert traits.is_hook is (phases is not None)


@pytest.mark.parametrize(
    ("annotations", "policies"),
    [
        ({}, {BEFORE}),
        ({A + "hook-delete-policy": "BeforeHookCreation"}, {BEFORE}),
        ({A + "hook-delete-policy": "HookSucceeded"}, {SUCCEEDED}),
        ({A + "hook-delete-policy": "HookFailed"}, {FAILED}),
        ({A + "hook-delete-policy": "HookSucceeded, HookFailed"}, {SUCCEEDED, FAILED}),
        ({A + "hook-delete-policy": "hooksucceeded"}, {BEFORE}),
        ({A + "hook-delete-policy": ""}, {BEFORE}),
        ({H + "hook-delete-policy": "before-hook-creation"}, {BEFORE}),
        ({H + "hook-delete-policy": "hook-succeeded,hook-failed"}, {SUCCEEDED, FAILED}),
        ({H + "hook-delete-policy": "hook-succeeded", A + "hook-delete-policy": "HookFailed"}, {SUCCEEDED, FAILED}),
    ],
)
def test_delete_policies_of_hooks(annotations: dict[str, str], policies: set[DeletePolicy]) -> None:
    assert read({A + "hook": "PreSync", **annotations}).delete_policies == policies
    assert read({H + "hook": "pre-install", **annotations}).delete_policies == policies
    assert read(annotations).delete_policies == frozenset()


@pytest.mark.parametrize(
    ("annotations", "wave"),
    [
        ({}, 0),
        ({A + "sync-wave": "5"}, 5),
        ({A + "sync-wave": "-5"}, -5),
        ({A + "sync-wave": "+5"}, 5),
        ({A + "sync-wave": "007"}, 7),
        ({H + "hook-weight": "3"}, 3),
        ({A + "sync-wave": "5", H + "hook-weight": "3"}, 5),
        ({A + "sync-wave": "five", H + "hook-weight": "3"}, 3),
        ({A + "sync-wave": "", H + "hook-weight": "-3"}, -3),
        *(
            ({A + "sync-wave": text}, 0)
            for text in ("", " 1", "1.0", "1e3", "0x10", "1_000", "--1", "+", "٣", "9" * 40)
        ),
        ({A + "sync-wave": 5}, 0),
        ({A + "sync-wave": None}, 0),
        ({A + "sync-wave": str(2**63 - 1)}, 2**63 - 1),
        ({A + "sync-wave": str(2**63)}, 0),
        ({A + "sync-wave": str(-(2**63))}, 0),
    ],
)
def test_waves(annotations: dict[str, Any], wave: int) -> None:
    assert read(annotations).wave == wave


def test_sync_options() -> None:
    traits = read({A + "sync-options": " Prune=false, Replace=true,,Validate ,Replace=false"})
    assert (traits.option("Prune"), traits.option("Replace")) == ("false", "false")
    assert traits.option("Validate") is None, "an option without a value says nothing"
    assert traits.option("Force") is None


def test_compare_options() -> None:
    traits = read({A + "compare-options": "IgnoreExtraneous, ServerSideDiff=true"})
    assert traits.compare_options == {"IgnoreExtraneous", "ServerSideDiff=true"}


@pytest.mark.parametrize(
    ("value", "kept"), [("keep", True), (" keep ", True), ("delete,keep", True), ("Keep", False), ("", False)]
)
def test_resource_policy(value: str, kept: bool) -> None:
    assert read({H + "resource-policy": value}).kept is kept


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("10m", 600.0), ("1h30m", 5400.0), ("1.5s", 1.5), ("250ms", 0.25), ("0s", 0.0)]
    + [(value, None) for value in ("", "10", "m", "-1m", "1d", "1h 30m", 10, None)],
)
def test_time_limits(value: Any, seconds: float | None) -> None:
    assert read({"escadre.io/time-limit": value}).time_limit == seconds


def test_a_definition_says_which_kind_it_brings() -> None:
    crd: Object = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {"group": "example.org", "names": {"kind": "Widget"}},
    }
    assert traits_of(crd).defines == GroupKind("example.org", "Widget")
    assert traits_of({**crd, "apiVersion": "example.org/v1"}) is PLAIN
    specs: list[Any] = [None, [], {}, {"names": None}]
    for spec in specs:
        assert traits_of({**crd, "spec": spec}).defines is None


def test_what_asks_for_nothing_shares_one_answer() -> None:
    assert traits_of({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}) is PLAIN
    assert read({"team": "shop"}) is PLAIN


VALUES = st.none() | st.integers() | st.booleans() | st.lists(st.text(max_size=3), max_size=2)
WORDS = st.sampled_from(["PreSync", "Skip", "keep", "crd-install", "test", "1", "-1", "Prune=false", "=", ",", " "])
TEXTS = st.lists(WORDS, max_size=4).map("".join) | st.text(max_size=6)


@given(st.dictionaries(st.sampled_from(ANNOTATIONS), VALUES | TEXTS), VALUES | st.just({}))
def test_reading_never_fails(annotations: dict[str, Any], rest: Any) -> None:
    traits = read(annotations)
    assert traits.hook is None or traits.hook <= set(SyncPhase)
    assert bool(traits.delete_policies) is traits.is_hook
    assert -(2**63) <= traits.wave < 2**63
    traits_of({"apiVersion": rest, "kind": "CustomResourceDefinition", "metadata": rest, "spec": rest})
    traits_of({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {"names": rest}})
