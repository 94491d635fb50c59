"""`escadre admin diff`: what an API server would say applying one set of objects over another changes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator

import click
import orjson

from agent.admin.comparison import Comparer, Comparison
from agent.admin.folders import is_folder, nothing_in, read_placed
from agent.admin.objects import Misuse, printable
from agent.admin.pairs import pair_objects
from agent.admin.rules import read_ignores, read_settings
from agent.engine.compare_settings import CompareSettings
from agent.engine.ignore import IgnoreRules
from agent.engine.resource import Object
from agent.kube.simulated.predict import Predictor


@click.command(
    "diff",
    epilog="""
    escadre admin diff live.yaml target.yaml
    kubectl get deployments -o yaml | escadre admin diff - deploy/
    escadre admin diff live/ target/ --ignore-differences app.yaml --settings argocd-cm.yaml --exit-code
    """,
)
@click.argument("live", metavar="LIVE")
@click.argument("target", metavar="TARGET")
@click.option(
    "--ignore-differences",
    "ignores",
    multiple=True,
    metavar="FILE",
    help="Ignore what the ignoreDifferences of this Application say, or of a list of entries.",
)
@click.option("--settings", metavar="FILE", help="The ConfigMap argocd-cm, with what holds for the whole system.")
@click.option("--predicted", is_flag=True, help="Tell the two objects that were compared, too.")
@click.option("--exit-code", is_flag=True, help="Exit 1 when something is out of sync.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["json", "text"]),
    help="One line of JSON an object, or unified diffs.  [default: text on a terminal, else json]",
)
@click.pass_context
def command(
    ctx: click.Context,
    live: str,
    target: str,
    ignores: tuple[str, ...],
    settings: str | None,
    predicted: bool,
    exit_code: bool,
    output: str | None,
) -> None:
    """Say what applying TARGET over LIVE would change, as the API server would, without one.

    LIVE and TARGET are files, directories (every .yaml, .yml and .json below them) or - for standard input, with any
    number of objects. Objects are paired by group, kind, namespace and name. Defaults, the spelling of quantities and
    what others manage are no difference. Who set a field is read from LIVE: from its managedFields, else from its
    annotation of the last applied configuration; where it has neither, a field that only LIVE has is left alone.
    CustomResourceDefinitions among the objects say how their kinds are compared. Secrets are masked.
    """
    if live == target == "-":
        raise Misuse("only one of LIVE and TARGET can be standard input")
    system = read_settings(settings) if settings else CompareSettings()
    own = tuple(entry for path in ignores for entry in read_ignores(path))
    rules = system.rules(own)
    for problem in (*system.problems, *map(str, rules.unsupported)):
        click.echo(f"warning: {problem}", err=True)
    # Millions of small values are made and none of them is garbage: looking for some would take a seventh of the time.
    gc.disable()
    try:
        found = list(_compare(_read(live), _read(target), system, rules))
    finally:
        gc.enable()
    write = _text if (output or ("text" if sys.stdout.isatty() else "json")) == "text" else _json
    for line in write(found, predicted):
        click.echo(line)
    if exit_code and any(comparison.out_of_sync for comparison in found):
        ctx.exit(1)


def _read(path: str) -> list[Object]:
    """Read the objects of a file or of a directory. Raises click.ClickException."""
    found = [_named(obj, place) for place, obj in read_placed(path)]
    if not found and is_folder(path):
        raise Misuse(nothing_in(path))
    return found


def _named(obj: Object, place: str) -> Object:
    """See to it that an object can be paired; one whose name is to be generated goes by its beginning."""
    metadata = obj.get("metadata")
    given = metadata if isinstance(metadata, dict) else {}
    name = given.get("name") or given.get("generateName")
    if not isinstance(name, str) or not name:
        raise Misuse(f"{place}: a {obj['kind']} has no name, and is paired by it")
    given["name"] = name
    return obj


def _compare(
    live: list[Object], target: list[Object], settings: CompareSettings, rules: IgnoreRules
) -> Iterator[Comparison]:
    predictor = Predictor((*live, *target))
    comparer = Comparer(predictor, rules, settings.options)
    for pair in pair_objects(live, target, predictor.namespaced):
        yield comparer.compare(pair)


def _json(comparisons: Iterable[Comparison], objects: bool) -> Iterator[bytes]:
    for comparison in comparisons:
        yield orjson.dumps(comparison.as_json(objects=objects))


def _text(comparisons: Iterable[Comparison], objects: bool) -> Iterator[str]:
    differ = total = 0
    for comparison in comparisons:
        total += 1
        differ += comparison.out_of_sync
        if comparison.change != "none" or comparison.problems:
            yield f"===== {printable(str(comparison.key))}: {comparison.change} ====="
            yield from (f"# {printable(text)}" for text in (comparison.message, *comparison.problems) if text)
            if comparison.diff:
                yield comparison.diff.rstrip("\n")
        if objects:
            yield orjson.dumps(comparison.predicted, option=orjson.OPT_INDENT_2).decode()
    yield f"{differ} of {total} objects out of sync"
