from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.manifest import Entry, ManifestSet, ResourceKey, digest_of
from hub.render.errors import RenderError
from hub.render.wire import LENGTHS, Outcome, decode_outcome, encode_error, encode_outcome

CONTENTS = [b'{"a":1}', b"{}"]
OUTCOME = Outcome(
    ManifestSet(
        tuple(
            Entry(ResourceKey("apps", "Deployment", "ns", f"n{i}"), "v1", digest_of(content), len(content))
            for i, content in enumerate([*CONTENTS, CONTENTS[0]])
        )
    ),
    {digest_of(content): content for content in CONTENTS},
    ("RepeatedResourceWarning: x",),
)


def parts(pieces: list[bytes]) -> tuple[dict[str, Any], bytes]:
    content = b"".join(pieces)
    header_length, body_length = LENGTHS.unpack(content[: LENGTHS.size])
    header, body = content[LENGTHS.size :][:header_length], content[LENGTHS.size + header_length :]
    assert len(body) == body_length
    return json.loads(header), body


def test_outcomes_travel() -> None:
    assert decode_outcome(*parts(encode_outcome(OUTCOME, 1))) == OUTCOME


def test_errors_travel() -> None:
    pieces = encode_error(RenderError("m" * 10_000, code="tool-failed", retryable=True), 1)
    with pytest.raises(RenderError) as caught:
        decode_outcome(*parts(pieces))
    assert (caught.value.code, caught.value.retryable, len(caught.value.message)) == ("tool-failed", True, 8192)


def changed(**fields: Any) -> dict[str, Any]:
    return parts(encode_outcome(OUTCOME, 1))[0] | fields


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({}, b""),
        (changed(), b""),
        (changed(), b"".join(CONTENTS) + b"more"),
        (changed(), b'{"a":2}{}'),
        (changed(sizes=[9]), b"".join(CONTENTS)),
        (changed(sizes=[-1, 10]), b"".join(CONTENTS)),
        (changed(sizes=["7", 2]), b"".join(CONTENTS)),
        (changed(sizes=7), b"".join(CONTENTS)),
        (changed(resources=[["apps", "v1"]]), b"".join(CONTENTS)),
        (changed(resources=[[1, "v1", "K", "", "n", digest_of(b"{}"), 2]]), b"".join(CONTENTS)),
        (changed(resources=[["", "v1", "K", "", "n", digest_of(b"elsewhere"), 9]]), b"".join(CONTENTS)),
        (changed(warnings=None), b"".join(CONTENTS)),
        ({"error": None}, b""),
        ({"error": ["a"]}, b""),
    ],
)
def test_what_is_no_reply_is_not_taken_for_one(header: dict[str, Any], body: bytes) -> None:
    with pytest.raises(ValueError):
        decode_outcome(header, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(["resources", "sizes", "warnings", "error"]), JSON), st.binary(max_size=20))
def test_nothing_else_comes_of_nonsense(header: dict[str, Any], body: bytes) -> None:
    try:
        outcome = decode_outcome(header, body)
    except (ValueError, RenderError):
        return
    assert {entry.digest for entry in outcome.manifest_set.entries} <= outcome.blobs.keys()
    assert all(digest_of(content) == digest for digest, content in outcome.blobs.items())
