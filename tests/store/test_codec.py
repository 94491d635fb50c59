from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.application import Application, ApplicationId, HelmOptions, Source
from hub.domain.assignment import AssignmentContent
from hub.domain.manifest import ManifestSetRef, ResourceKey
from hub.domain.operation import HistoryEntry, OperationKind, OperationPhase, OperationRequest, OperationState
from hub.domain.project import Project, default_project
from hub.domain.revision import Revision, SourceRevision
from hub.domain.sources import SourceChoice
from hub.domain.status import (
    ApplicationStatus,
    DriftReport,
    FieldDrift,
    HealthStatus,
    RefreshState,
    ResourceStatus,
    SyncStatus,
)
from hub.errors import HubError, Invalid
from hub.store.codec import decode, encode, encode_checked
from hub.store.contract import RenderRecord
from tests.store.builders import START, application, content, request, status

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(texts, values, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
times = st.timedeltas(timedelta(0), timedelta(days=80_000)).map(lambda age: datetime(1970, 1, 1, tzinfo=UTC) + age)
keys = st.builds(ResourceKey, texts, texts, texts, texts)
refs = st.builds(ManifestSetRef, texts, st.integers(0, 9), st.binary(max_size=70), texts)
revisions = st.builds(
    Revision, st.lists(st.builds(SourceRevision, texts, texts, texts, texts, st.none() | times), max_size=2).map(tuple)
)
sources = st.builds(
    Source,
    texts,
    helm=st.none() | st.builds(HelmOptions, values=texts, values_object=st.none() | json_objects),
)
field_drifts = st.lists(st.builds(FieldDrift, texts, texts, texts, texts, texts, st.booleans()), max_size=2).map(tuple)
operations = st.builds(
    OperationState,
    texts,
    st.sampled_from(OperationKind),
    st.sampled_from(OperationPhase),
    revision=revisions,
    finished_at=st.none() | times,
)
requests = st.builds(
    OperationRequest,
    id=texts,
    kind=st.sampled_from(OperationKind),
    manifest_set=refs,
    revision=revisions,
    initiated_by=texts,
    requested_at=times,
    resources=st.lists(keys, max_size=2).map(tuple),
    revisions=st.lists(st.builds(SourceChoice, st.integers(0, 99), texts, texts), max_size=2).map(tuple),
)
resource_statuses = st.builds(
    ResourceStatus,
    keys,
    texts,
    st.sampled_from(SyncStatus),
    st.none() | st.sampled_from(HealthStatus),
    drift=field_drifts,
)
values = st.one_of(
    st.builds(
        lambda manifest, labels, some: replace(
            application(sources=tuple(some)), manifest=manifest, labels=labels, created_at=START
        ),
        json_objects,
        st.dictionaries(texts, texts, max_size=3),
        st.lists(sources, max_size=2),
    ),
    st.builds(
        lambda ref, revision, operation: content(manifest_set=ref, revision=revision, operation=operation),
        refs,
        revisions,
        st.none() | requests,
    ),
    st.builds(
        lambda resources, operation, total: status("u1", resources=tuple(resources), operation=operation, total=total),
        st.lists(resource_statuses, max_size=2),
        st.none() | operations,
        st.integers(0, 2**62),
    ),
    st.builds(DriftReport, texts, texts, texts, keys, texts, field_drifts, times),
    st.builds(RenderRecord, texts, st.none() | refs, texts, st.lists(texts, max_size=2).map(tuple)),
    st.builds(Project, texts, manifest=json_objects),
    st.builds(RefreshState, texts, revisions, st.dictionaries(texts, texts, max_size=2)),
    st.builds(HistoryEntry, st.integers(1, 9), texts, texts, texts, texts, revisions, texts, st.none(), times),
)


@given(values)
def test_every_document_comes_back_as_it_was(value: Any) -> None:
    text = encode_checked(type(value), value)
    again = decode(type(value), text)
    assert again == value
    assert encode(again) == text


@given(st.integers(150, 300), st.booleans())
def test_what_is_accepted_can_be_read_however_deep(depth: int, lists: bool) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested] if lists else {"k": nested}
    value = replace(application(), manifest={"deep": nested})
    try:
        text = encode(value)
    except Invalid:
        assert depth > 180
        return
    assert decode(Application, text) == value


def test_named_tuples_are_lists_and_bytes_are_text() -> None:
    document = encode(request("r"))
    assert '"resources":[["","ConfigMap","shop","settings"]]' in document
    assert '"signature":"_wA="' in encode(ManifestSetRef("d", 1, b"\xff\x00"))
    assert encode(application()).startswith('{"id":["argocd","shop"]')
    assert type(decode(Application, encode(application())).id) is ApplicationId


def test_any_mapping_will_do() -> None:
    value = replace(application(), labels=MappingProxyType({"a": "b"}))
    assert decode(Application, encode(value)).labels == {"a": "b"}


def test_times_keep_their_instant() -> None:
    paris = START.astimezone(timezone(timedelta(hours=1)))
    found = decode(ApplicationStatus, encode(status("u1", observed_at=paris))).observed_at
    assert found == START and found.tzinfo is not None


@pytest.mark.parametrize("value", [2**64, "\ud800", {1: "a"}, {"a": object()}, {"a": {1, 2}}])
def test_what_json_cannot_say(value: Any) -> None:
    with pytest.raises(Invalid, match="Application: a value in it cannot be stored"):
        encode(replace(application(), manifest={"value": value}))


def test_a_field_of_the_wrong_type_is_named_and_not_quoted() -> None:
    wrong: Any = {"password": 12345}
    with pytest.raises(Invalid, match=r"^Application: labels\.password has a value of the wrong type$") as caught:
        encode_checked(Application, replace(application(), labels=wrong))
    assert "12345" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 3}', "null", '{"name":"secret"}{}'])
def test_what_cannot_be_read_is_an_error_that_quotes_nothing(text: str) -> None:
    with pytest.raises(HubError, match="stored Project cannot be read") as caught:
        decode(Project, text)
    assert "secret" not in str(caught.value)


def test_a_document_of_an_earlier_version_takes_on_defaults() -> None:
    @dataclass(frozen=True, slots=True)
    class Later:
        name: str
        added: int = 7

    assert decode(Later, '{"name":"a"}') == Later("a", 7)
    assert decode(Project, '{"name":"default","dropped":1}') == Project("default")
    assert decode(Project, encode(default_project())) == default_project()


def test_digests_survive_storing() -> None:
    value = content(operation=request("op"))
    assert decode(AssignmentContent, encode(value)).digest() == value.digest()
