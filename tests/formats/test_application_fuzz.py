from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

from hypothesis import HealthCheck, given

from hub.formats.application import dump_application, parse_application
from hub.formats.dump import dump_yaml
from hub.formats.errors import FormatError
from hub.formats.objects import parse_objects
from hub.formats.yaml import load_document
from tests.formats.strategies import APPLICATIONS, JSON, damaged
from tests.search import examples

few = examples(50, HealthCheck.too_slow)
"""An Application takes longer to make up than to read."""


@few
@given(APPLICATIONS)
def test_what_is_dumped_reads_back(value: dict[str, Any]) -> None:
    application = parse_application(value).value
    dumped = dump_application(application)
    assert parse_application(dumped).value == application
    assert dumped["spec"] == value["spec"]


@few
@given(APPLICATIONS)
def test_what_is_written_anew_reads_back(value: dict[str, Any]) -> None:
    application = dataclasses.replace(parse_application(value).value, manifest={})
    again = parse_application(dump_application(application), strict=True)
    assert dataclasses.replace(again.value, manifest={}) == application


@few
@given(APPLICATIONS)
def test_text_and_object_are_read_alike(value: dict[str, Any]) -> None:
    application = parse_application(value).value
    assert parse_application(load_document(dump_yaml(value), name="f")).value == application
    (parsed,) = parse_objects(json.dumps(value), name="f")
    assert parsed.value == application


@few
@given(damaged(APPLICATIONS))
def test_damage_is_read_or_explained(value: dict[str, Any]) -> None:
    before = copy.deepcopy(value)
    try:
        application = parse_application(value).value
    except FormatError as error:
        assert len(error.message) > 20
    else:
        assert parse_application(dump_application(application)).value.spec == application.spec
    assert value == before


@few
@given(JSON)
def test_anything_as_a_spec(value: Any) -> None:
    for place in ("metadata", "spec"):
        wrapped = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", place: value}
        try:
            parse_application(wrapped)
        except FormatError as error:
            assert error.message.startswith("Application")
