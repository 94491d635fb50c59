"""What the real `helm template` gives for a chart, told with the flags that Argo CD would use."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from hub.domain.application import HelmOptions
from hub.domain.cluster import Capabilities
from hub.formats.yaml import load_documents
from hub.render.model import RenderLimits
from hub.render.normalize import Found, Normalizer
from tests.controlplane.build import binary
from tests.render.conftest import CLUSTER
from tests.render.trees import Content, Link

SECONDS = 60.0


class HelmRefused(Exception):
    """`helm template` failed; the message is what it said."""


def write_tree(files: Mapping[str, Content], root: Path) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            path.symlink_to(content.target)
        elif isinstance(content, str | bytes):
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def helm_template(
    files: Mapping[str, Content],
    options: HelmOptions,
    root: Path,
    capabilities: Capabilities = CLUSTER,
    release: str = "shop",
    namespace: str = "shop-namespace",
) -> bytes:
    """Return what it prints for the chart in `chart`. `root` is an empty directory. Raises HelmRefused."""
    write_tree(files, root)
    environment = {"PATH": "/nonexistent", "HOME": str(root / "home")}
    command = [str(binary("helm")), *helm_arguments(options, root, capabilities, release, namespace)]
    done = subprocess.run(command, cwd=root / "chart", env=environment, capture_output=True, timeout=SECONDS)
    if done.returncode != 0:
        raise HelmRefused(done.stderr.decode())
    return done.stdout


def helm_arguments(
    options: HelmOptions, root: Path, capabilities: Capabilities, release: str, namespace: str
) -> Iterator[str]:
    yield from ("template", options.release_name or release, ".", "--namespace", options.namespace or namespace)
    yield from ("--kube-version", options.kube_version or capabilities.kubernetes_version)
    for version in options.api_versions or capabilities.api_versions:
        yield from ("--api-versions", version)
    if not options.skip_crds:
        yield "--include-crds"
    if options.skip_tests:
        yield "--skip-tests"
    if options.skip_schema_validation:
        yield "--skip-schema-validation"
    for path in options.value_files:
        yield from ("--values", path)
    values = yaml.safe_dump(options.values_object) if options.values_object is not None else options.values
    if values:
        (root / "over.yaml").write_text(values)
        yield from ("--values", str(root / "over.yaml"))
    for parameter in options.parameters:
        value = parameter.value
        if not (value.startswith("{") and value.endswith("}")):
            value = value.replace("\\,", ",").replace(",", "\\,")
        yield from ("--set-string" if parameter.force_string else "--set", f"{parameter.name}={value}")
    for name, path in options.file_parameters:
        yield from ("--set-file", f"{name}={path}")


def normalized(output: bytes) -> tuple[list[tuple[str, str]], dict[str, bytes]]:
    """Return ((key, digest) in their order, blobs) of what `helm template` printed."""
    normalizer = Normalizer(RenderLimits())
    normalizer.add(Found(d.value, d.name, d.line) for d in load_documents(output, name="helm template"))
    manifest_set, blobs, _ = normalizer.finish()
    return [(str(entry.key), entry.digest) for entry in manifest_set.entries], blobs
