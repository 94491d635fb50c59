"""The types of the built-in kinds, read from the table `types.json`.

`python -m tests.kube.type_table` writes the table from what a real API server publishes. It gives every type its
fields, and every field what it holds:

    string integer number boolean     as they are called
    quantity                          a text or a number, spelled one way by the server
    scalar                            a text or a number, left as it is
    any                               anything, replaced whole
    core.v1.PodSpec                   another type
    {}string                          a map with values of a type
    []string                          a list, replaced whole
    [*]string                         a list merged as a set
    [name=""]core.v1.Container        a list merged by keys, with what a key is when it is not given

"~" before a type says that the field is there even when nobody sets it (empty, 0), "!" that it is replaced whole; a
type with the field "" is replaced whole wherever it stands.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

import orjson

from agent.kube.client import Kind
from agent.kube.simulated.schema import (
    ANY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    OPEN,
    QUANTITY,
    SCALAR,
    STRING,
    Holds,
    Node,
    Shape,
    keyed,
)
from agent.kube.simulated.zeros import zeros

_BASIC: Final = {
    "any": ANY,
    "boolean": BOOLEAN,
    "integer": INTEGER,
    "number": NUMBER,
    "quantity": QUANTITY,
    "scalar": SCALAR,
    "string": STRING,
}
_KEY: Final = re.compile(r'(\w+)=("[^"]*"|[^,]*)')


@cache
def _table() -> dict[str, dict[str, dict[str, str]]]:
    table: dict[str, dict[str, dict[str, str]]] = orjson.loads(
        files("agent.kube.simulated").joinpath("types.json").read_bytes()
    )
    return table


def builtin(kind: Kind) -> Node:
    """Return the rules of a built-in kind."""
    name = _table()["kinds"].get(f"{kind.api_version}/{kind.kind}")
    return _type(str(name)) if name else OPEN


@cache
def metadata() -> Node:
    """Return the rules of the metadata every object has."""
    return _type("meta.v1.ObjectMeta")


@cache
def schemaless() -> Node:
    """Return the rules of a kind that nothing is known of: all but its metadata is merged key by key."""
    return Node(Shape.MAP, fields={"apiVersion": STRING, "kind": STRING, "metadata": metadata()}, other=OPEN)


@cache
def _type(name: str) -> Node:
    fields = dict(_table()["types"][name])
    atomic = fields.pop("", None) is not None
    node = Node(
        Shape.ATOMIC if atomic else Shape.STRUCT,
        fields={field: _node(text.lstrip("~")) for field, text in fields.items()},
        closed=True,
    )
    node.bare = frozenset(field for field, text in fields.items() if text.startswith("~"))
    node.zeros = zeros().get(name, frozenset())
    return node


@cache
def _node(text: str) -> Node:
    atomic = text.startswith("!")
    text = text.lstrip("!")
    if text.startswith("{}"):
        return Node(Shape.ATOMIC if atomic else Shape.MAP, other=_node(text[2:]))
    if text.startswith("["):
        keys, _, rest = text[1:].partition("]")
        element = _node(rest)
        if keys == "*":
            return Node(Shape.SET, Holds.LIST, element=element)
        if not keys:
            return Node(Shape.ATOMIC, Holds.LIST, element=element)
        return keyed(element, {key: orjson.loads(value) if value else None for key, value in _KEY.findall(keys)})
    if text in _BASIC:
        return _BASIC[text]
    node = _type(text)
    if atomic and node.shape is not Shape.ATOMIC:
        whole = Node(Shape.ATOMIC, fields=node.fields, closed=True)
        whole.bare, whole.zeros = node.bare, node.zeros
        return whole
    return node
