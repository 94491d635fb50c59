from __future__ import annotations

import base64
import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.mask import MASK, is_secret, mask_pair, mask_secret
from agent.engine.normalize import LAST_APPLIED
from tests.engine.strategies import json_values

WORDS = st.text("QZXJ", min_size=6, max_size=12)


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, **fields}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_only_secrets_are_masked() -> None:
    config = {"kind": "ConfigMap", "data": {"a": "1"}}
    assert mask_secret(config) is config
    assert is_secret(secret()) and not is_secret(config) and not is_secret({})


def test_values_are_masked_and_the_rest_is_shown() -> None:
    masked = mask_secret(secret(type="Opaque", immutable=True, data={"a": b64("1"), "b": b64("2"), "c": None}))
    assert masked == secret(type="Opaque", immutable=True, data={"a": MASK, "b": MASK, "c": None})


def test_equal_values_are_masked_alike_and_different_ones_are_not() -> None:
    assigned, live = mask_pair(
        secret(data={"same": b64("1"), "changed": b64("1"), "new": b64("1")}),
        secret(data={"changed": b64("2"), "same": b64("1"), "old": b64("1")}),
    )
    assert assigned["data"]["same"] == live["data"]["same"]
    assert assigned["data"]["changed"] != live["data"]["changed"]
    assert assigned["data"]["changed"] == assigned["data"]["new"] == live["data"]["old"] == MASK
    assert live["data"]["changed"] == MASK + "+"


def test_plain_and_encoded_values_are_the_same_value() -> None:
    assigned, live = mask_pair(secret(stringData={"a": "pw", "b": "pw"}), secret(data={"a": b64("pw"), "b": b64("no")}))
    assert assigned["stringData"]["a"] == live["data"]["a"]
    assert assigned["stringData"]["b"] != live["data"]["b"]


def test_last_applied_configuration_is_masked_inside() -> None:
    applied = orjson.dumps(secret(data={"a": b64("hunter2")}, stringData={"b": "swordfish"})).decode()
    masked = mask_secret(
        secret(metadata={"annotations": {LAST_APPLIED: applied, "note": "hi"}}, data={"a": b64("hunter2")})
    )
    annotations = masked["metadata"]["annotations"]
    assert annotations["note"] == "hi"
    assert orjson.loads(annotations[LAST_APPLIED]) == secret(data={"a": MASK}, stringData={"b": MASK})
    assert masked["data"]["a"] == MASK


@pytest.mark.parametrize("applied", ["{not json hunter2", '"hunter2"', '["hunter2"]', 7, None, {"a": "hunter2"}])
def test_last_applied_configuration_of_another_form_is_masked_whole(applied: Any) -> None:
    masked = mask_secret(secret(metadata={"annotations": {LAST_APPLIED: applied}}))
    assert "hunter2" not in str(masked)


@pytest.mark.parametrize("name", ["kapp.k14s.io/original", "objectset.rio.cattle.io/applied"])
def test_copies_of_other_tools_are_masked_whole(name: str) -> None:
    masked = mask_secret(secret(metadata={"annotations": {name: "hunter2"}}))
    assert masked["metadata"]["annotations"] == {name: MASK}


@pytest.mark.parametrize(
    "fields", [{"data": "hunter2"}, {"data": ["hunter2"]}, {"Data": {"a": "hunter2"}}, {"x": "hunter2"}]
)
def test_malformed_secrets_are_masked_too(fields: dict[str, Any]) -> None:
    assert "hunter2" not in str(mask_secret(secret(**fields)))


@given(st.dictionaries(st.sampled_from("abc"), WORDS), st.dictionaries(st.sampled_from("abc"), WORDS), st.booleans())
def test_no_mask_holds_a_secret(data: dict[str, str], plain: dict[str, str], nested: bool) -> None:
    obj = secret(data={k: b64(v) for k, v in data.items()}, stringData=plain)
    if nested:
        obj["metadata"] = {"annotations": {LAST_APPLIED: orjson.dumps(obj).decode()}}
    before = copy.deepcopy(obj)
    shown = orjson.dumps(mask_pair(obj, obj)).decode()
    assert obj == before
    for word in [*data.values(), *plain.values()]:
        assert word not in shown
        assert b64(word) not in shown


@given(st.dictionaries(st.sampled_from("abc"), WORDS), st.dictionaries(st.sampled_from("abc"), WORDS))
def test_masks_are_equal_where_values_are(one: dict[str, str], other: dict[str, str]) -> None:
    assigned, live = mask_pair(secret(data=one), secret(data=other))
    for key in one.keys() & other.keys():
        assert (one[key] == other[key]) is (assigned["data"][key] == live["data"][key])


@given(st.dictionaries(st.sampled_from(["metadata", "data", "stringData", "type"]), json_values()))
def test_any_secret_is_borne(fields: dict[str, Any]) -> None:
    mask_secret({"kind": "Secret", **fields})
