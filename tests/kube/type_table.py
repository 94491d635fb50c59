"""Writes the table of built-in types the simulated cluster works with, from what a real API server publishes.

    python -m tests.kube.type_table        # starts a control plane and rewrites agent/kube/simulated/types.json

The server's OpenAPI v3 documents say of every field what it holds and how it merges. They are 9 MB of text; the table
keeps what the simulated cluster needs, one type a line. `agent.kube.simulated.types` describes its notation.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.controlplane.access import ClusterAccess
from tests.controlplane.cluster import ControlPlane

Schema = dict[str, Any]

_PREFIXES = (
    ("io.k8s.api.", ""),
    ("io.k8s.apimachinery.pkg.apis.meta.", "meta."),
    ("io.k8s.apiextensions-apiserver.pkg.apis.", ""),
    ("io.k8s.kube-aggregator.pkg.apis.", ""),
)
_BUILT_IN = tuple(prefix for prefix, _ in _PREFIXES)
"""Beginnings of the names of types no CustomResourceDefinition brought."""
_SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "scalar",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "string",
}
_OPAQUE = ("JSONSchemaProps", "ManagedFieldsEntry", "RawExtension", "FieldsV1", ".v1.JSON")
_UNSET = object()
_GROUP_KIND = "x-kubernetes-group-version-kind"


def build(plane: ClusterAccess) -> Schema:
    """Return the table of a server's stable API versions."""
    schemas: Schema = {}
    for path in _read(plane, "/openapi/v3")["paths"]:
        version = path.rpartition("/")[2]
        if path.count("/") <= 2 and version.startswith("v") and version[1:].isdigit():
            schemas |= _read(plane, f"/openapi/v3/{path}")["components"]["schemas"]
    kinds = {kind: _short(name) for kind, name in sorted(_kinds(schemas))}
    types: Schema = {}
    pending = [name for _, name in _kinds(schemas)]
    while pending:
        name = pending.pop()
        if _short(name) not in types:
            fields = _fields(schemas[name], schemas)
            types[_short(name)] = {**({"": "atomic"} if _is_atomic(schemas[name]) else {}), **fields}
            pending += [ref for value in _properties(schemas[name]).values() for ref in _references(value, schemas)]
    return {"kinds": kinds, "types": dict(sorted(types.items()))}


def _read(plane: ClusterAccess, path: str) -> Schema:
    # The server calls these documents text/plain.
    answer = plane.request("GET", path)
    document: Schema = json.loads(answer) if isinstance(answer, str) else answer
    return document


def _kinds(schemas: Schema) -> Iterator[tuple[str, str]]:
    for name, schema in schemas.items():
        served = schema.get(_GROUP_KIND, [])
        if not name.startswith(_BUILT_IN) or len(served) != 1 or "metadata" not in schema.get("properties", {}):
            continue
        group, version, kind = (served[0][key] for key in ("group", "version", "kind"))
        if not kind.endswith("List"):
            yield f"{group}/{version}/{kind}".lstrip("/"), name


def _short(name: str) -> str:
    for prefix, replacement in _PREFIXES:
        if name.startswith(prefix):
            return replacement + name.removeprefix(prefix)
    return name


def _properties(schema: Schema) -> Schema:
    properties: Schema = schema.get("properties", {})
    return properties


def _fields(schema: Schema, schemas: Schema) -> dict[str, str]:
    fields = {name: _expression(value, schemas) for name, value in sorted(_properties(schema).items())}
    for name in schema.get("required", ()):
        if fields[name].startswith("[") and not fields[name].startswith("[]"):
            fields[name] = "~" + fields[name]
    return fields


def _is_atomic(schema: Schema) -> bool:
    return schema.get("x-kubernetes-map-type") == "atomic"


def _reference(schema: Schema) -> str:
    ref = schema.get("$ref") or next((part.get("$ref") for part in schema.get("allOf", ()) if "$ref" in part), "")
    return str(ref).rpartition("/")[2]


def _is_named(reference: str, schemas: Schema) -> bool:
    """Tell whether a reference is to a type of its own line."""
    return bool(
        reference and reference not in _SCALARS and not reference.endswith(_OPAQUE) and _properties(schemas[reference])
    )


def _references(schema: Schema, schemas: Schema) -> Iterator[str]:
    reference = _reference(schema)
    if _is_named(reference, schemas):
        yield reference
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _references(schema[key], schemas)


def _expression(schema: Schema, schemas: Schema) -> str:
    always = "~" if schema.get("default", _UNSET) in ({}, "", 0, False) and not schema.get("items") else ""
    atomic = "!" if _is_atomic(schema) else ""
    reference = _reference(schema)
    if reference:
        if reference in _SCALARS:
            return always + _SCALARS[reference]
        return always + atomic + _short(reference) if _is_named(reference, schemas) else "any"
    match schema.get("type"):
        case "array":
            return _list(schema, schemas)
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return atomic + "{}" + _expression(schema["additionalProperties"], schemas).lstrip("~")
        case "object" | None:
            return "any"
        case kind:
            return always + str(kind)


def _list(schema: Schema, schemas: Schema) -> str:
    items = schema["items"]
    element = _expression(items, schemas).lstrip("~")
    match schema.get("x-kubernetes-list-type"):
        case "set":
            return f"[*]{element}"
        case "map":
            fields = _properties(schemas[_reference(items)])
            keys = (f"{key}={_default(fields[key])}" for key in sorted(schema["x-kubernetes-list-map-keys"]))
            return f"[{','.join(keys)}]{element}"
        case _:
            return f"[]{element}"


def _default(schema: Schema) -> str:
    return json.dumps(schema["default"]) if "default" in schema else ""


def render(table: Schema) -> str:
    """Return the table's file: one kind, and one type, a line."""
    lines = ["{", '  "kinds": {']
    lines.append(",\n".join(f"    {json.dumps(kind)}: {json.dumps(name)}" for kind, name in table["kinds"].items()))
    lines += ["  },", '  "types": {']
    lines.append(",\n".join(f"    {json.dumps(name)}: {json.dumps(fields)}" for name, fields in table["types"].items()))
    return "\n".join([*lines, "  }", "}", ""])


def committed() -> Path:
    """Return the file the simulated cluster reads."""
    return Path(str(files("agent.kube.simulated").joinpath("types.json")))


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, ControlPlane.start(Path(directory)) as plane:
        committed().write_text(render(build(plane)))
    print(f"wrote {committed()}", file=sys.stderr)


if __name__ == "__main__":
    main()
