"""`escadre apply`: files are read and checked here, so that what is wrong is told with its file and line, and sent only
when all of it is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hub.cli.client import HubApi
from hub.cli.command import command as declare
from hub.cli.errors import Misuse
from hub.cli.printer import Column, Item, output_option, print_items
from hub.cli.session import Session, pass_session
from hub.cli.standard import read_input
from hub.cli.values import GIVEN
from hub.formats.errors import FormatError
from hub.formats.limits import Limits
from hub.formats.objects import parse_objects

LIMITS = Limits(bytes=16 * 1024 * 1024, documents=10_000, depth=100, nodes=500_000)
"""As the hub's, so that it does not refuse what was read here."""
_SUFFIXES = (".yaml", ".yml", ".json")
_MOST_FILES = 10_000

COLUMNS = (
    Column("KIND", lambda item: item["kind"]),
    Column("NAME", lambda item: _name(item)),
    Column("ACTION", lambda item: item["action"]),
    Column("WARNINGS", lambda item: "; ".join(item["warnings"]), wide=True),
)


@dataclass(frozen=True, slots=True)
class Text:
    name: str
    content: bytes
    objects: int


@declare(
    "apply",
    example="""
    escadre apply -f application.yaml
    escadre apply -f apps/ -R --dry-run
    cat application.yaml | escadre apply -f -
    """,
)
@click.option(
    "-f",
    "--filename",
    "filenames",
    type=GIVEN,
    multiple=True,
    required=True,
    metavar="FILE|DIRECTORY|-",
    help="What to apply; - is standard input. Give it again for more.",
)
@click.option("-R", "--recursive", is_flag=True, help="Look into directories below the directory, too.")
@click.option("--strict", is_flag=True, help="Take fields without effect as errors, not as warnings.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@output_option()
@pass_session
def command(
    session: Session, filenames: tuple[str, ...], recursive: bool, strict: bool, dry_run: bool, output: str
) -> None:
    """Create or change Applications and AppProjects from files, in Argo CD's YAML, the system-wide settings from its
    ConfigMap argocd-cm, repositories, host keys and certificates from its Secrets and ConfigMaps, and what webhooks
    are believed by from its Secret argocd-secret.

    All files are read and checked before the first is sent; each file is taken whole or not at all.
    """
    texts = list(_checked(filenames, recursive=recursive, strict=strict))
    if not any(text.objects for text in texts):
        raise Misuse(
            f"{', '.join('standard input' if name == '-' else name for name in filenames)}: there are no objects in it"
        )
    results = [result for text in texts if text.objects for result in _send(session.api, text, strict, dry_run)]
    if output == "table":
        for result in results:
            _tell(result)
    else:
        print_items(output, results, COLUMNS, name=_full_name, none="")


def _send(api: HubApi, text: Text, strict: bool, dry_run: bool) -> list[dict[str, Any]]:
    params = {"strict": strict, "dry_run": dry_run, "name": text.name[-1000:]}
    reply = api.call("POST", "/objects/apply", params=params, content=text.content, media_type="application/yaml")
    results: list[dict[str, Any]] = reply["results"]
    return results


def _tell(result: Item) -> None:
    click.echo(f"{_full_name(result)} {result['action']}")
    for warning in result["warnings"]:
        click.echo(f"warning: {_full_name(result)}: {warning}", err=True)


def _full_name(result: Item) -> str:
    return f"{result['kind'].lower()}/{_name(result)}"


def _name(result: Item) -> str:
    if result["namespace"] in ("", "argocd"):
        return str(result["name"])
    return f"{result['namespace']}/{result['name']}"


def _checked(filenames: tuple[str, ...], *, recursive: bool, strict: bool) -> Iterator[Text]:
    """Yield every text. Raises Misuse with all that is wrong in any of them."""
    problems = []
    for name, content in _read_all(filenames, recursive=recursive):
        try:
            found = parse_objects(content, name=name, strict=strict, limits=LIMITS)
            yield Text(name, content, len(found))
        except FormatError as error:
            problems.append(error.message)
    if problems:
        raise Misuse("\n".join(problems))


def _read_all(filenames: tuple[str, ...], *, recursive: bool) -> Iterator[tuple[str, bytes]]:
    seen = 0
    for filename in filenames:
        if filename == "-":
            yield "standard input", _limited(read_input(LIMITS.bytes + 1), "standard input")
            continue
        path = Path(filename)
        for file in _files(path, recursive=recursive) if path.is_dir() else [path]:
            seen += 1
            if seen > _MOST_FILES:
                raise Misuse(f"there are more than {_MOST_FILES} files: apply them in parts")
            yield str(file), _read(file)


def _files(directory: Path, *, recursive: bool) -> list[Path]:
    found = directory.rglob("*") if recursive else directory.glob("*")
    files = sorted(path for path in found if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not files:
        advice = "" if recursive else "; -R looks into directories below it"
        raise Misuse(f"{directory} holds no {', '.join(_SUFFIXES)} files{advice}")
    return files


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _limited(file.read(LIMITS.bytes + 1), str(path))
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}") from error


def _limited(content: bytes, name: str) -> bytes:
    if len(content) > LIMITS.bytes:
        raise Misuse(f"{name} is larger than {LIMITS.bytes:,} bytes, which is all that is taken at once")
    return content
