"""`escadre admin health`: what the engine makes of objects as they stand in a cluster."""

from __future__ import annotations

import click
import orjson

from agent.admin.objects import read_objects
from agent.engine.health import assess
from agent.engine.resource import Object


@click.command(
    "health",
    epilog="""
    kubectl get deployments -o yaml | escadre admin health -
    escadre admin health live.yaml
    """,
)
@click.argument("files", nargs=-1, required=True, metavar="FILE|-...")
def command(files: tuple[str, ...]) -> None:
    """Say what state objects are in, as an agent judges them.

    Reads any number of live objects (YAML documents, JSON, JSON lines, arrays, Lists) and prints, for each and in their
    order, one line of JSON with its status and the reason for it. An object of a kind that has no health counts as
    Healthy.
    """
    objects = [obj for file in files for obj in read_objects(file)]
    for obj in objects:
        click.echo(line(obj))


def line(obj: Object) -> bytes:
    """Return the health of an object as it is printed."""
    health = assess(obj)
    if health is None:
        return orjson.dumps({"status": "Healthy", "message": f"a {obj['kind']} has no health of its own"})
    return orjson.dumps({"status": health.status, "message": health.message})
