"""What people commit by mistake: how each thing is done to a good source, and what must be said of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults.pair import WEB_BRANCH
from tests.fleet.kit import Repository

GOOD = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  k: "1"
"""
"""web/all.yaml, before and after."""
MANIFEST = "web/all.yaml"
SHOWN = 1200
"""Characters a message may have: it is read on a screen."""

HELM = {
    "web/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "web/values.yaml": "again: '{{ tpl .Values.again . }}'\n",
}


@dataclass(frozen=True)
class Bad:
    spoil: Callable[[Repository], None]
    """Does it to the working tree, or to the branch."""
    where: tuple[str, ...]
    """The file, and the line where there is one, as the message names them."""
    advice: str
    """What to do, in the message's words."""
    condition: str = "ComparisonError"
    slow: bool = False
    """It is noticed only when its time is up."""


def files(contents: Mapping[str, str]) -> Callable[[Repository], None]:
    """Have exactly these files below web."""

    def spoil(repository: Repository) -> None:
        shutil.rmtree(repository.path / "web", ignore_errors=True)
        write(repository, contents)

    return spoil


def write(repository: Repository, contents: Mapping[str, str]) -> None:
    for path, content in contents.items():
        target: Path = repository.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)


def manifest(content: str) -> Callable[[Repository], None]:
    return files({MANIFEST: content})


def chart(template: str) -> Callable[[Repository], None]:
    return files({**HELM, "web/templates/all.yaml": template})


def _remove(repository: Repository) -> None:
    shutil.rmtree(repository.path / "web")


def _lead_out(repository: Repository) -> None:
    (repository.path / "web" / "hosts.yaml").symlink_to("../../../../../../../../etc/hosts")


def _delete_branch(repository: Repository) -> None:
    repository.git("branch", "--delete", "--force", WEB_BRANCH)


CALLS_ITSELF = '{{ define "l" }}{{ include "l" . }}{{ end }}\nk: {{ include "l" . }}\n'
ENDLESS = "k: 1\n{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}\n"
UNKNOWN_KIND = f"""\
{GOOD.replace('"1"', '"bad"')}---
apiVersion: example.com/v1
kind: Gizmo
metadata:
  name: spinner
"""

BAD = {
    "malformed YAML": Bad(manifest(f"{GOOD}  bad: [1,\n"), (MANIFEST, "line 8"), "is not closed"),
    "a tab": Bad(manifest(f"{GOOD}\tbad: 1\n"), (MANIFEST, "line 7"), "replace the tab"),
    "a doubled key": Bad(manifest(f"{GOOD}  k: '2'\n"), (MANIFEST, "line 7", "line 6", '"k"'), "Remove one of them"),
    "an object without a kind": Bad(
        manifest(f"{GOOD}---\napiVersion: v1\nmetadata: {{name: x}}\n"), (MANIFEST, "line 8"), "give it one"
    ),
    "an object without a name": Bad(
        manifest(f"{GOOD}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{}}\n"), (MANIFEST, "line 8"), "give it one"
    ),
    "an unknown kind": Bad(
        manifest(UNKNOWN_KIND), ("Gizmo.example.com/spinner", "example.com/v1"), "install its CRD first", "SyncError"
    ),
    "a missing path": Bad(_remove, ("'web'",), "check the source's path"),
    "an empty directory": Bad(
        files({"web/README.md": "Nothing here yet.\n"}), ("no resources at all", "all 1"), "allowEmpty", "SyncError"
    ),
    "an empty directory, by its name": Bad(
        files({"web/README.md": "Nothing here yet.\n"}), ("'web'",), "correct the source's path", "RenderWarning"
    ),
    "a symlink out of the repository": Bad(_lead_out, ("web/hosts.yaml", "etc/hosts"), "or remove it"),
    "a kustomization of what is not there": Bad(
        files({"web/kustomization.yaml": "resources: [gone.yaml]\n"}),
        ("web/kustomization.yaml", "gone.yaml"),
        "add it, or take it out",
    ),
    "a template that fails": Bad(
        chart("k: 1\nv: {{ .Values.absent.key }}\n"), ("web/templates/all.yaml:2", ".Values.absent.key"), "nil pointer"
    ),
    "a template that includes itself": Bad(
        chart(CALLS_ITSELF), ("web/templates/all.yaml:1", '<include "l" .>'), "nested reference"
    ),
    "a value that is its own template": Bad(
        chart("k: {{ tpl .Values.again . }}\n"), ("Rendering web",), "look for a loop in a template"
    ),
    "a chart that makes more than fits": Bad(
        chart("k: {{ range until 2000000000 }}x{{ end }}\n"), ("Rendering web",), "look for a loop in a template"
    ),
    "a chart that never ends": Bad(chart(ENDLESS), ("Rendering web",), "look for a loop in a template", slow=True),
    "a revision that is gone": Bad(_delete_branch, (f"'{WEB_BRANCH}'",), "Correct targetRevision"),
}
