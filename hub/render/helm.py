"""Renders a chart inside a worker, with Helm's own library, or with a helm binary where one is configured.

What the library leaves to its callers is done here: dependencies that are missing, and a cluster too old for the
chart, are refused; hooks stay objects like any other, for the agent runs them.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from semantic_version import NpmSpec, Version

from hub.domain.application import HelmOptions
from hub.domain.tree import Tree
from hub.formats.limits import Limits
from hub.formats.yaml import load_document, load_documents
from hub.render import helm_plan
from hub.render.errors import RenderError
from hub.render.helm_values import large_integers, merged, set_content, set_parameter
from hub.render.model import File, Plan, RenderLimits, RenderRequest
from hub.render.normalize import Found
from hub.render.program import ProgramFailed, readable, run_program
from hub.render.wire import Setup, Task

_PARAMETER_FILE_BYTES = 1024 * 1024
_VALUES = Limits(bytes=5 * 1024 * 1024, depth=60, nodes=500_000)
_SCHEMA = "values.schema.json"
_IN_CHART = re.compile(r"(?<![\w./-])[\w.-]+/(?=(charts/[\w.-]+/)*templates/)")
"""How Helm begins a template's path: with the chart's name, which need not be its directory's."""
_TEST_HOOK = re.compile(r"(^|,)\s*test(-success|-failure)?\s*(,|$)")


def template(plan: Plan, task: Task, setup: Setup) -> Iterator[Found]:
    """Yield the chart's objects. Raises RenderError, FormatError."""
    options = plan.source.helm or HelmOptions()
    values = _values(plan, options, task.trees, setup.limits)
    where = Path(tempfile.mkdtemp(prefix="helm-", dir=setup.scratch))
    try:
        chart = where / "chart"
        _export(plan, options, task.trees, chart, setup.limits)
        render = _render_with_binary if setup.helm else _render_in_process
        rendered = render(plan, options, task.request, values, chart, setup)
    finally:
        shutil.rmtree(where, ignore_errors=True)
    limits = Limits(bytes=setup.limits.output_bytes)
    for name, text in rendered:
        for document in load_documents(text, name=name, limits=limits):
            if not (options.skip_tests and _is_test(document.value)):
                yield Found(document.value, name, document.line)


def _render_in_process(
    plan: Plan, options: HelmOptions, request: RenderRequest, values: dict[str, Any], chart: Path, setup: Setup
) -> list[tuple[str, str]]:
    import helm_python
    from helm_python import _native

    release = helm_plan.release_name(plan, request)
    arguments: dict[str, Any] = {"name": release, "namespace": helm_plan.namespace(plan, request)}
    if version := helm_plan.kubernetes_version(plan, request):
        arguments["kube_version"] = version
    if api_versions := helm_plan.api_versions(plan, request):
        arguments["api_versions"] = api_versions
    try:
        helm_python.validate_release_name(release)
        # A render changes the handle it is made with, so each has its own.
        with helm_python.Chart.load(chart) as loaded:
            _check(plan, loaded.metadata, loaded.dependencies, arguments.get("kube_version", ""))
            # The library takes the cluster's capabilities, though its Python face has no arguments for them.
            text = _native.call_string("helm_render", loaded._raw(), json.dumps(values), json.dumps(arguments))
            # After the render, for it has left out the subcharts that are switched off.
            crds = [] if options.skip_crds else loaded.crds
    except helm_python.HelmError as error:
        raise _failed(plan, str(error), chart) from error
    templates: dict[str, str] = json.loads(text)
    found = [(crd["filename"], crd["data"]) for crd in crds]
    found += [(name, templates[name]) for name in sorted(templates) if not name.endswith("/NOTES.txt")]
    return [(f"{plan.path or '.'}: {name}", content) for name, content in found]


def _render_with_binary(
    plan: Plan, options: HelmOptions, request: RenderRequest, values: dict[str, Any], chart: Path, setup: Setup
) -> list[tuple[str, str]]:
    # By file and not by argument: values may be secrets, and arguments are public to the machine.
    given = chart.parent / "values.json"
    given.write_text(json.dumps(values))
    command = [setup.helm, "template", "--values", str(given), "--namespace", helm_plan.namespace(plan, request)]
    command.append("--skip-crds" if options.skip_crds else "--include-crds")
    if options.skip_schema_validation:
        command.append("--skip-schema-validation")
    if version := helm_plan.kubernetes_version(plan, request):
        command += ["--kube-version", version]
    for api_version in helm_plan.api_versions(plan, request):
        command += ["--api-versions", api_version]
    for name, number in large_integers(options.parameters):
        command += ["--set", f"{name}={number}"]
    command += ["--", helm_plan.release_name(plan, request), str(chart)]
    try:
        output = run_program(command, chart, chart.parent, setup.limits.output_bytes)
    except ProgramFailed as error:
        raise _failed(plan, error.said, chart) from error
    return [(f"helm template {plan.path or '.'}", output.decode(errors="replace"))]


def _values(plan: Plan, options: HelmOptions, trees: list[Tree], limits: RenderLimits) -> dict[str, Any]:
    """Put together what is set over the chart's own values."""
    values: dict[str, Any] = {}
    for file in plan.value_files:
        values = merged(values, _mapping(_read(file, trees, _VALUES.bytes), file.path))
    if options.values_object is not None:
        values = merged(values, options.values_object)
    elif options.values:
        values = merged(values, _mapping(options.values.encode(), "the source's helm.values"))
    for (name, _), file in zip(options.file_parameters, plan.parameter_files, strict=True):
        content = _read(file, trees, _PARAMETER_FILE_BYTES)
        try:
            set_content(values, name, content.decode())
        except UnicodeDecodeError as error:
            raise RenderError(
                f"{file.path} is no UTF-8 text, as a file parameter must be.", code="invalid-source"
            ) from error
    for parameter in options.parameters:
        set_parameter(values, parameter.name, parameter.value, as_text=parameter.force_string)
    return values


def _read(file: File, trees: list[Tree], limit: int) -> bytes:
    try:
        return trees[file.tree].read(file.stored, limit)
    except ValueError as error:
        raise RenderError(f"{file.path} is larger than {limit:,} bytes.", code="too-large") from error


def _mapping(text: bytes, name: str) -> Mapping[str, Any]:
    value = load_document(text, name=name, limits=_VALUES)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RenderError(f"{name}: values are a mapping, and this is none.", code="invalid-source")
    return value


def _export(plan: Plan, options: HelmOptions, trees: list[Tree], chart: Path, limits: RenderLimits) -> None:
    """Write the chart's files below a directory."""
    prefix = plan.path + "/" if plan.path else ""
    chart.mkdir()
    for file in plan.files:
        path = file.path.removeprefix(prefix)
        # Helm validates wherever there is a schema; without it there is nothing to validate.
        if options.skip_schema_validation and path.rpartition("/")[2] == _SCHEMA:
            continue
        target = chart / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(trees[file.tree].read(file.stored, limits.file_bytes))


def _check(plan: Plan, metadata: dict[str, Any], loaded: list[dict[str, Any]], version: str) -> None:
    """Refuse a chart whose dependencies are not there, or that is not for this cluster. Raises RenderError."""
    name = metadata.get("name", plan.path)
    present = {dependency.get("name") for dependency in loaded}
    missing = [d for d in metadata.get("dependencies") or () if d.get("name") not in present]
    if missing:
        wanted = ", ".join(
            f"{d.get('name')} {d.get('version', '')} ({d.get('repository') or 'no repository'})" for d in missing
        )
        raise RenderError(
            f"The chart {name} depends on {wanted[:500]}, not in its charts directory: run `helm dependency build` and "
            "commit charts/.",
            code="invalid-source",
        )
    constraint = metadata.get("kubeVersion")
    if constraint and version and not _is_compatible(str(constraint), version):
        raise RenderError(
            f"The chart {name} requires kubeVersion {constraint!r}; the cluster has {version}. Use another version of "
            "the chart, or set helm.kubeVersion.",
            code="invalid-source",
        )


def _is_compatible(constraint: str, version: str) -> bool:
    """Whether a version is in a range; a range that cannot be read excludes nothing.

    A vendor's suffix (v1.32.4-gke.100) does not make a version a pre-release, as in Helm since 3.18.
    """
    number = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    plain = re.sub(r"([<>=^~])\s+", r"\1", constraint.replace(",", " ").replace("!=", "!= "))
    plain = re.sub(r"(?<![\w.])v(?=\d)", "", plain)
    if number is None or "!=" in plain:
        return True
    try:
        return bool(NpmSpec(" ".join(plain.split())).match(Version(f"{number[1]}.{number[2]}.{number[3] or 0}")))
    except ValueError:
        return True


def _is_test(value: Any) -> bool:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    hook = annotations.get("helm.sh/hook") if isinstance(annotations, dict) else None
    return isinstance(hook, str) and _TEST_HOOK.search(hook) is not None


def _failed(plan: Plan, said: str, chart: Path) -> RenderError:
    text = readable(said, ((chart, plan.path or "."), (chart.parent, "")))
    text = text.removesuffix("Use --debug flag to render out invalid YAML").strip()
    within = f"{plan.path}/" if plan.path else ""
    # As a function: a backslash in a directory's name is no escape.
    text = _IN_CHART.sub(lambda _: within, text)
    return RenderError(f"Helm cannot render {plan.path or '.'}: {text}", code="tool-failed")
