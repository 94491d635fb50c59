"""`escadre admin health`: what the engine makes of objects as they stand in a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

import click
import orjson

from agent.admin.objects import Misuse, read_bytes, read_objects
from agent.engine.customizations import patterns, split_kind
from agent.engine.health import assess
from agent.engine.health.overrides import Judge, Overrides, from_cel, from_lua, from_text
from agent.engine.resource import GroupKind, Object


@click.command(
    "health",
    epilog="""
    kubectl get deployments -o yaml | escadre admin health -
    escadre admin health live.yaml
    escadre admin health --override argoproj.io_Rollout=health.lua live.yaml
    escadre admin health --override '*.example.org_*=ready.cel' live.yaml
    """,
)
@click.option(
    "--override",
    "given",
    multiple=True,
    metavar="KIND=FILE",
    help="Judge <group>_<kind>, in which * is any, by a Lua script or CEL expression. Give it again for more.",
)
@click.option(
    "--use-open-libs", is_flag=True, help="Let Lua scripts use all that resource.customizations.useOpenLibs lets."
)
@click.argument("files", nargs=-1, required=True, metavar="FILE|-...")
def command(given: tuple[str, ...], use_open_libs: bool, files: tuple[str, ...]) -> None:
    """Say what state objects are in, as an agent judges them.

    Reads any number of live objects (YAML documents, JSON, JSON lines, arrays, Lists) and prints, for each and in their
    order, one line of JSON with its status and the reason for it. An object of a kind that has no health counts as
    Healthy.

    A FILE of an override that ends in .lua is Lua, one in .cel is CEL; of any other the content tells.
    """
    checks = read_overrides(given, open_libs=use_open_libs)
    objects = [obj for file in files for obj in read_objects(file)]
    click.echo(b"".join(line(obj, checks) for obj in objects), nl=False)


def line(obj: Object, checks: Overrides) -> bytes:
    """Return the health of an object as it is printed."""
    health = assess(obj, checks)
    if health is None:
        told = {"status": "Healthy", "message": f"a {obj['kind']} has no health of its own"}
    else:
        told = {"status": health.status, "message": health.message}
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def read_overrides(given: Iterable[str], *, open_libs: bool = False) -> Overrides:
    """Read `<group>_<kind>=FILE` and the files. Raises Misuse."""
    return patterns(_read_override(text, open_libs) for text in given)


def _read_override(text: str, open_libs: bool) -> tuple[GroupKind, Judge]:
    name, _, path = text.partition("=")
    try:
        kind = split_kind(name)
    except ValueError:
        kind = None
    if kind is None or not path:
        raise Misuse(f"--override {text!r} is not <group>_<kind>=FILE, such as argoproj.io_Rollout=health.lua")
    try:
        source = read_bytes(path).decode()
    except UnicodeDecodeError:
        raise Misuse(f"{path}: the override is not UTF-8 text") from None
    if not source.strip():
        raise Misuse(f"{path}: the override is empty")
    match PurePath(path).suffix:
        case ".lua":
            return kind, from_lua(source, open_libs=open_libs)
        case ".cel":
            return kind, from_cel(source)
    return kind, from_text(source, open_libs=open_libs)
