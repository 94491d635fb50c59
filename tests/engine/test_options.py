"""Sync options: as given for an application, for one operation, and by an object, which has the last word."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.options import VALUES, SyncOptions, read_options
from agent.engine.traits import Traits

CASES = [
    ("CreateNamespace=true", "create_namespace", True),
    ("Prune=false", "prune", "false"),
    ("Prune=confirm", "prune", "confirm"),
    ("Delete=false", "delete", "false"),
    ("Delete=confirm", "delete", "confirm"),
    ("PruneLast=true", "prune_last", True),
    ("PrunePropagationPolicy=background", "propagation", "background"),
    ("PrunePropagationPolicy=orphan", "propagation", "orphan"),
    ("Replace=true", "replace", True),
    ("Force=true", "force", True),
    ("ApplyOutOfSyncOnly=true", "out_of_sync_only", True),
    ("RespectIgnoreDifferences=true", "respect_ignores", True),
    ("FailOnSharedResource=true", "fail_on_shared", True),
    ("SkipDryRunOnMissingResource=true", "skip_missing_kinds", True),
    ("Validate=false", "validate", False),
    ("ClientSideApplyMigration=false", "migrate", False),
]


@pytest.mark.parametrize(("option", "field", "value"), CASES)
def test_each_option_sets_its_field(option: str, field: str, value: object) -> None:
    assert read_options([option]) == SyncOptions(**{field: value})  # type: ignore[arg-type]
    assert read_options([f" {option.replace('=', ' = ')} "]) == read_options([option])
    assert getattr(SyncOptions(), field) != value


def test_every_field_has_an_option() -> None:
    assert {option.partition("=")[0] for option, _, _ in CASES} == VALUES.keys() - {"ServerSideApply"}
    assert {field for _, field, _ in CASES} == {field.name for field in fields(SyncOptions)}


def test_later_lists_outweigh_earlier_ones() -> None:
    assert read_options(["Prune=false", "Replace=true"], ["Prune=true"]) == SyncOptions(replace=True)
    assert read_options(["Replace=false", "Replace=true"]).replace


@pytest.mark.parametrize(
    "option", ["", "=", "Prune", "Prune=", "Prune=never", "Replace=yes", "Validate=False", "Nonsense=true"]
)
def test_what_makes_no_sense_leaves_the_default(option: str) -> None:
    assert read_options([option]) == SyncOptions()


@given(st.lists(st.text(max_size=12)))
def test_reading_never_fails(options: list[str]) -> None:
    assert isinstance(read_options(options), SyncOptions)


@pytest.mark.parametrize(
    ("asks", "name", "field"),
    [
        (SyncOptions.replaces, "Replace", "replace"),
        (SyncOptions.forces, "Force", "force"),
        (SyncOptions.validates, "Validate", "validate"),
        (SyncOptions.skips_dry_run, "SkipDryRunOnMissingResource", "skip_missing_kinds"),
    ],
)
def test_an_object_has_the_last_word(asks: object, name: str, field: str) -> None:
    assert callable(asks)
    for of_all in (True, False):
        options = SyncOptions(**{field: of_all})  # type: ignore[arg-type]
        assert asks(options, Traits()) is of_all
        assert asks(options, Traits(sync_options=(f"{name}=true",))) is True
        assert asks(options, Traits(sync_options=(f"{name}=false",))) is False
        assert asks(options, Traits(sync_options=(name, "Other=true"))) is of_all
