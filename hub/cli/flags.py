"""The options that describe an Application, the same for `app create` and `app set`, in Argo CD's words.

What an option means is for the hub to say; here each has only its name, its place in the request, and its help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from hub.cli.apps import display_id
from hub.cli.errors import Misuse
from hub.cli.printer import print_names, print_value

_LARGEST_VALUES = 1024 * 1024

_TEXTS = (
    ("project", "--project", "NAME", "The project it belongs to."),
    ("repo", "--repo", "URL", "The repository."),
    ("path", "--path", "PATH", "The directory in the repository."),
    ("revision", "--revision", "REVISION", "Branch, tag, commit, or a range such as 1.x; HEAD else."),
    ("dest_server", "--dest-server", "URL", "The cluster with this address."),
    ("dest_name", "--dest-name", "NAME", "The cluster of this name."),
    ("dest_namespace", "--dest-namespace", "NAMESPACE", "For objects that name no namespace."),
    ("sync_policy", "--sync-policy", "POLICY", "automated (auto), or manual (none)."),
    ("release_name", "--release-name", "NAME", "Helm: the release's name; the application's else."),
    ("name_prefix", "--nameprefix", "TEXT", "Kustomize: put before all names."),
    ("name_suffix", "--namesuffix", "TEXT", "Kustomize: put after all names."),
    ("directory_include", "--directory-include", "GLOB", "Directory: only these files."),
    ("directory_exclude", "--directory-exclude", "GLOB", "Directory: not these files."),
)
_LISTS = (
    ("dest_selectors", "--dest-selector", "LABELS", "All clusters with these labels: region=eu,tier in (a,b)."),
    ("sync_options", "--sync-option", "NAME=VALUE", "A sync option; !NAME takes one away."),
    ("helm_set", "--helm-set", "NAME=VALUE", "Helm: a parameter."),
    ("helm_set_string", "--helm-set-string", "NAME=VALUE", "Helm: a parameter that is text."),
    ("values", "--values", "PATH", "Helm: a value file in the repository, instead of those there are."),
    ("kustomize_images", "--kustomize-image", "IMAGE", "Kustomize: an image, such as nginx=nginx:1.27."),
    ("labels", "--label", "KEY=VALUE", "A label of the application; KEY- takes one away."),
    ("annotations", "--annotation", "KEY=VALUE", "An annotation of the application; KEY- takes one away."),
)
_SWITCHES = (
    ("auto_prune", "--auto-prune/--no-auto-prune", "When automated: delete what is no longer in Git."),
    ("self_heal", "--self-heal/--no-self-heal", "When automated: undo what others change."),
    ("allow_empty", "--allow-empty/--no-allow-empty", "When automated: prune even when nothing is left in Git."),
    ("directory_recurse", "--directory-recurse/--no-directory-recurse", "Directory: those below it, too."),
)


def flag_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add all of the options."""
    options = [click.option(flag, name, metavar=metavar, help=text) for name, flag, metavar, text in _TEXTS]
    options += [
        click.option(flag, name, metavar=metavar, multiple=True, help=f"{text} Give it again for more.")
        for name, flag, metavar, text in _LISTS
    ]
    options += [click.option(flag, name, default=None, help=text) for name, flag, text in _SWITCHES]
    options.append(
        click.option(
            "--values-literal-file",
            "values_literal_file",
            type=click.Path(path_type=Path),
            help="Helm: a local file whose content becomes the values.",
        )
    )
    options.append(
        click.option(
            "--source-position", type=click.IntRange(1, 100), help="Which of several sources is meant, from 1."
        )
    )
    options.append(
        click.option(
            "--revision-history-limit", type=click.IntRange(0, 2**31 - 1), help="How many deployments are remembered."
        )
    )
    for option in reversed(options):
        function = option(function)
    return function


def flags_body(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request's fields for what was given. Raises Misuse."""
    body: dict[str, Any] = {n: list(value) if isinstance(value, tuple) else value for n, value in flags.items()}
    file: Path | None = body.pop("values_literal_file", None)
    if file is not None:
        body["values_literal"] = _values(file)
    return {name: value for name, value in body.items() if value not in (None, [])}


def tell_stored(reply: Mapping[str, Any], output: str) -> None:
    """Print what became of the application."""
    name = display_id(reply["id"])
    if output in ("json", "yaml"):
        print_value(output, reply)
    elif output == "name":
        print_names([name])
    else:
        click.echo(f"application/{name} {reply['action']}")
        for warning in reply["warnings"]:
            click.echo(f"warning: {warning}", err=True)


def _values(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_VALUES + 1)
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST_VALUES:
        raise Misuse(f"{path} is larger than {_LARGEST_VALUES:,} bytes, too large for values")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Misuse(f"{path} is not UTF-8 text") from error
