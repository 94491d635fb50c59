"""What hypothesis makes objects of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
KEYS = st.sampled_from(["name", "a", "b", "spec", "a/b", "~", "", "0", "type"]) | st.text(max_size=4)


def json_values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Any JSON value."""
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=max_leaves,
    )


def objects(kinds: tuple[tuple[str, str], ...] = (("apps/v1", "Deployment"),)) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of a kind with anything in them but in their names."""
    return st.builds(
        lambda kind, labels, fields: {
            "apiVersion": kind[0],
            "kind": kind[1],
            "metadata": {"name": "x", "namespace": "y", "labels": labels},
            **fields,
        },
        st.sampled_from(kinds),
        st.dictionaries(KEYS, st.text(max_size=4), max_size=3),
        st.dictionaries(st.sampled_from(["spec", "data", "items", "rules"]), json_values(), max_size=3),
    )
