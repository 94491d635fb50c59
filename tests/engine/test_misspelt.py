"""What of an object's annotations has no effect, and is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.misspelt import misspelt
from agent.engine.traits import PLAIN, traits_of

A = "argocd.argoproj.io/"


def annotated(**annotations: Any) -> dict[str, Any]:
    return {"metadata": {"annotations": {A + key.replace("_", "-"): value for key, value in annotations.items()}}}


@pytest.mark.parametrize(
    "annotations",
    [
        {"sync_options": "Prune=false, Delete=confirm,Replace=true,ServerSideApply=true"},
        {"sync_options": ""},
        {"sync_wave": "-5"},
        {"hook": "PreSync,Sync", "hook_delete_policy": "HookSucceeded, BeforeHookCreation"},
        {"hook": "Skip"},
        {"compare_options": "IgnoreExtraneous,ServerSideDiff=true,IncludeMutationWebhook=true"},
        {"ignore_healthcheck": "true", "tracking_id": "x"},
        # What is for Argo CD's other parts, and for those of others, is theirs.
        {"refresh": "hard", "skip_reconcile": "true", "manifest_generate_paths": ".", "deletion_approved": "x"},
        {"sync_options": 'IgnoreDifferences={"kind":"Deployment","jsonPointers":["/a","/b"]}'},
    ],
)
def test_what_is_written_as_it_should_be_is_not_told(annotations: dict[str, str]) -> None:
    assert misspelt(annotated(**annotations)) == []


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        (
            {"sync_options": "Pruen=false"},
            ["sync-options: 'Pruen=false' is not a known sync option (did you mean Prune?)"],
        ),
        (
            {"sync_options": "Prune=False,PruneLast"},
            [
                "sync-options: 'Prune=False' is not a known sync option: write Prune=true or false or confirm",
                "sync-options: 'PruneLast' is not a known sync option: write PruneLast=true or false",
            ],
        ),
        ({"sync_wave": "first"}, ["sync-wave: 'first' is no number that a wave may have: it is 0"]),
        ({"sync_wave": "9" * 30}, [f"sync-wave: '{'9' * 30}' is no number that a wave may have: it is 0"]),
        ({"hook": "presync"}, ["hook: 'presync' is not a known phase of a hook (did you mean PreSync?)"]),
        (
            {"hook": "PreSync", "hook_delete_policy": "HookSucceded"},
            [
                "hook-delete-policy: 'HookSucceded' is not a known policy of deleting a hook "
                "(did you mean HookSucceeded?)"
            ],
        ),
        (
            {"compare_options": "IgnoreExtraneus"},
            ["compare-options: 'IgnoreExtraneus' is not a known compare option (did you mean IgnoreExtraneous?)"],
        ),
    ],
)
def test_words_that_nobody_knows(annotations: dict[str, str], told: list[str]) -> None:
    assert misspelt(annotated(**annotations)) == [A + words for words in told]


def test_other_annotations_and_misspelt_names() -> None:
    annotations = {"helm.sh/hook-weight": "heavy", "escadre.io/time-limit": "never", A + "synch-wave": "1"}
    assert misspelt({"metadata": {"annotations": annotations}}) == [
        f"the annotation '{A}synch-wave' is not known: did you mean {A}sync-wave?",
        "helm.sh/hook-weight: 'heavy' is no number that a wave may have: it is 0",
        "escadre.io/time-limit: 'never' is no duration: write one like 90s, 5m or 1h30m",
    ]


WORDS = st.sampled_from(
    ["Prune=false", "Pruen=false", "PreSync", "presync", "Skip", "1", "x", "", " ", "HookFailed", "5m"]
)
VALUES = st.one_of(st.text(max_size=20), st.lists(WORDS, max_size=3).map(",".join), st.none(), st.integers())
NAMES = st.sampled_from(["hook", "hook-delete-policy", "sync-wave", "sync-options", "compare-options", "sync-waves"])


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_whatever_is_written_it_never_fails(annotations: dict[str, Any]) -> None:
    obj = {"metadata": {"annotations": {A + name: value for name, value in annotations.items()}}}
    for words in misspelt(obj):
        assert words.isprintable()
    if traits_of(obj) is PLAIN:
        # Nothing of it has an effect; a name that is misspelt is told all the same.
        assert all("is not known" in words for words in misspelt(obj))


def test_what_is_no_object_has_nothing_misspelt() -> None:
    for obj in ({}, {"metadata": None}, {"metadata": {"annotations": ["x"]}}):
        assert misspelt(obj) == []
