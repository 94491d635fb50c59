"""Renders a chart inside a worker, with Helm's own library, or with a helm binary where one is configured.

What the library leaves to its callers is done here: dependencies that are missing, and a cluster too old for the
chart, are refused; hooks stay objects like any other, for the agent runs them.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.domain.application import HelmOptions
from hub.domain.tree import Tree
from hub.formats.limits import Limits
from hub.formats.yaml import Document, load_documents
from hub.render import helm_numbers, helm_plan, helm_random
from hub.render.errors import RenderError
from hub.render.helm_archive import finished, pack
from hub.render.helm_chart import Chart, ChartShelf
from hub.render.helm_order import in_order, is_test
from hub.render.helm_values import merged, with_parameters
from hub.render.model import File, Plan, RenderRequest
from hub.render.normalize import Found
from hub.render.program import ProgramFailed, readable, run_program
from hub.render.wire import Setup, Task

if TYPE_CHECKING:
    import helm_python

_PARAMETER_FILE_BYTES = 1024 * 1024
_VALUES = Limits(bytes=5 * 1024 * 1024, depth=60, nodes=500_000)
_IN_CHART = re.compile(r"(?<![\w./-])[\w.-]+/(?=(charts/[\w.-]+/)*templates/)")
"""How Helm begins a template's path: with the chart's name, which need not be its directory's."""
_SYSTEM = "/~/"
"""In the path of what the hub puts into a chart."""
_ASKING = {
    "Chart.yaml": b"apiVersion: v2\nname: asking\nversion: 0.0.0\n",
    "templates/answer": b"{{ semverCompare .Values.constraint .Values.version }}",
}
_PLAIN_NAME = re.compile(r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?")
"""Of a release; Helm takes others, too."""
_SHELF = ChartShelf()


def template(plan: Plan, task: Task, setup: Setup, warn: Callable[[str], None]) -> Iterator[Found]:
    """Yield the chart's objects. Raises RenderError, FormatError."""
    options = plan.source.helm or HelmOptions()
    values = _values(plan, options, task.trees)
    chart = _SHELF.chart(plan, task.trees, setup.limits, schema=not options.skip_schema_validation)
    more = {helm_numbers.PATH: text.encode()} if (text := helm_numbers.template_for(values)) else {}
    job = _Job(plan, options, task.request, values, chart, more, setup)
    for document in _render_with_binary(job) if setup.helm else _render_in_process(job):
        if not (options.skip_tests and is_test(document.value)):
            yield Found(document.value, document.name, document.line)
    # Last, for it is of no use where the chart does not render.
    if not task.request.frozen:
        functions = {**chart.functions, **helm_random.named([("values", json.dumps(values).encode())])}
        if functions and (told := _unstable(job, functions)):
            warn(helm_random.warning(plan.path or "The chart", told))


@dataclass(frozen=True, slots=True)
class _Job:
    plan: Plan
    options: HelmOptions
    request: RenderRequest
    values: dict[str, Any]
    chart: Chart
    more: Mapping[str, bytes]
    """Files of the hub's own to put into the chart."""
    setup: Setup


def _render_in_process(job: _Job) -> Iterator[Document]:
    import helm_python

    plan = job.plan
    try:
        release = helm_plan.release_name(plan, job.request)
        if not _PLAIN_NAME.fullmatch(release):
            helm_python.validate_release_name(release)
        # A render changes the handle it is made with, so each has its own.
        with _loaded(job) as loaded:
            _check(plan, _facts(job.chart, loaded), helm_plan.kubernetes_version(plan, job.request))
            templates = _rendered(job, loaded)
            # After the render, for it has left out the subcharts that are switched off.
            crds = loaded.crds if job.chart.may_define and not job.options.skip_crds else []
    except helm_python.HelmError as error:
        raise _failed(plan, str(error)) from error
    limits = Limits(bytes=job.setup.limits.output_bytes, documents=job.setup.limits.resources)
    # Subcharts come in any order from Helm. Within a chart it stays as it is.
    crds.sort(key=lambda crd: crd["filename"].partition("/crds/")[0].split("/"))
    prefix = f"{plan.path or '.'}: "
    definitions = [load_documents(crd["data"], name=prefix + crd["filename"], limits=limits) for crd in crds]
    ordered = in_order({prefix + name: text for name, text in templates.items()}, limits)
    return itertools.chain(*definitions, ordered)


def _rendered(job: _Job, chart: helm_python.Chart) -> dict[str, str]:
    """Return what the templates give, by their names. Raises HelmError."""
    from helm_python import _native

    plan, request = job.plan, job.request
    arguments: dict[str, Any] = {
        "name": helm_plan.release_name(plan, request),
        "namespace": helm_plan.namespace(plan, request),
    }
    if version := helm_plan.kubernetes_version(plan, request):
        arguments["kube_version"] = version
    if api_versions := helm_plan.api_versions(plan, request):
        arguments["api_versions"] = api_versions
    # The library takes the cluster's capabilities, though its Python face has no arguments for them.
    text = _native.call_string("helm_render", chart._raw(), json.dumps(job.values), json.dumps(arguments))
    templates: dict[str, str] = json.loads(text)
    return {name: text for name, text in templates.items() if not name.endswith("NOTES.txt") and _SYSTEM not in name}


def _unstable(job: _Job, functions: helm_random.Functions) -> tuple[str, ...]:
    """Return which templates give something else each time. A chart that Helm takes from no archive is not asked."""
    import helm_python

    def render(archive: bytes) -> dict[str, str]:
        with helm_python.Chart.load_archive(archive) as chart:
            return _rendered(job, chart)

    if job.chart.files is not None:
        return ()
    archive = job.chart.archive(job.more)
    try:
        return helm_random.unstable(archive, functions, render(archive), render)
    except helm_python.HelmError:
        # The chart renders; only its look-alike of another day does not.
        return ()


def _loaded(job: _Job) -> helm_python.Chart:
    import helm_python

    if job.chart.files is None:
        return helm_python.Chart.load_archive(job.chart.archive(job.more))
    with tempfile.TemporaryDirectory(prefix="helm-", dir=job.setup.scratch) as where:
        return helm_python.Chart.load(job.chart.write(job.more, Path(where)))


def _render_with_binary(job: _Job) -> Iterator[Document]:
    plan, request, options = job.plan, job.request, job.options
    with tempfile.TemporaryDirectory(prefix="helm-", dir=job.setup.scratch) as directory:
        where = Path(directory)
        # By file and not by argument: values may be secrets, and arguments are public to the machine.
        given = where / "values.json"
        given.write_text(json.dumps(job.values))
        command = [job.setup.helm, "template", "--values", str(given)]
        command += ["--namespace", helm_plan.namespace(plan, request)]
        command.append("--skip-crds" if options.skip_crds else "--include-crds")
        if options.skip_schema_validation:
            command.append("--skip-schema-validation")
        if version := helm_plan.kubernetes_version(plan, request):
            command += ["--kube-version", version]
        for api_version in helm_plan.api_versions(plan, request):
            command += ["--api-versions", api_version]
        command += ["--", helm_plan.release_name(plan, request), str(job.chart.write(job.more, where))]
        try:
            output = run_program(command, where, where, job.setup.limits.output_bytes)
        except ProgramFailed as error:
            raise _failed(plan, error.said, where) from error
    limits = Limits(bytes=job.setup.limits.output_bytes)
    return iter(load_documents(output, name=f"helm template {plan.path or '.'}", limits=limits))


def _values(plan: Plan, options: HelmOptions, trees: list[Tree]) -> dict[str, Any]:
    """Put together what is set over the chart's own values."""
    values: dict[str, Any] = {}
    for file in plan.value_files:
        values = merged(values, _mapping(_read(file, trees, _VALUES.bytes), file.path))
    if options.values_object is not None:
        values = merged(values, options.values_object)
    elif options.values:
        values = merged(values, _mapping(options.values.encode(), "the source's helm.values"))
    files = [
        (name, _text(_read(file, trees, _PARAMETER_FILE_BYTES), file.path))
        for (name, _), file in zip(options.file_parameters, plan.parameter_files, strict=True)
    ]
    return with_parameters(values, options.parameters, files) if files or options.parameters else values


def _text(content: bytes, path: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise RenderError(f"{path} is no UTF-8 text, as a file parameter must be.", code="invalid-source") from error


def _read(file: File, trees: list[Tree], limit: int) -> bytes:
    try:
        return trees[file.tree].read(file.stored, limit)
    except ValueError as error:
        raise RenderError(f"{file.path} is larger than {limit:,} bytes.", code="too-large") from error


def _mapping(text: bytes, name: str) -> Mapping[str, Any]:
    """Read values; of several documents later ones win, as in Helm."""
    values: dict[str, Any] = {}
    for document in load_documents(text, name=name, limits=_VALUES):
        if not isinstance(document.value, Mapping):
            raise RenderError(f"{name}: values are a mapping, and this is none.", code="invalid-source")
        values = merged(values, document.value)
    return values


def _facts(chart: Chart, loaded: helm_python.Chart) -> Mapping[str, Any]:
    """Return a chart's metadata, and the names of the charts that are in it. Raises HelmError."""
    if not chart.facts:
        metadata = loaded.metadata
        present = loaded.dependencies if metadata.get("dependencies") else []
        chart.facts.update(metadata=metadata, present={dependency.get("name") for dependency in present})
    return chart.facts


def _check(plan: Plan, facts: Mapping[str, Any], version: str) -> None:
    """Refuse what the library does not: a chart whose dependencies are not there, that is not for this cluster, or
    that is there for others to use. Raises RenderError."""
    metadata, present = facts["metadata"], facts["present"]
    name = metadata.get("name", plan.path)
    if (kind := metadata.get("type") or "application") != "application":
        raise RenderError(
            f"The chart {name} is of type {kind}, for other charts to depend on: name a chart that is an application.",
            code="invalid-source",
        )
    missing = [d for d in metadata.get("dependencies") or () if d.get("name") not in present]
    if missing:
        named = ", ".join(
            f"{d.get('name')} {d.get('version', '')} ({d.get('repository') or 'no repository'})" for d in missing
        )
        raise RenderError(
            f"The chart {name} depends on {named[:500]}, not in its charts directory: run `helm dependency build` and "
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


@functools.lru_cache(maxsize=1000)
def _is_compatible(constraint: str, version: str) -> bool:
    """Whether a version is in a range, by Helm's own rules; a range that cannot be read excludes all.

    A vendor's suffix (v1.32.4-gke.100) does not make a version a pre-release, as in Helm since 3.18.
    """
    import helm_python

    number = re.match(r"v?([0-9]+(\.[0-9]+)*)", version)
    given = {"constraint": constraint, "version": number[1] if number else version}
    try:
        with helm_python.Chart.load_archive(finished(pack(_ASKING.items()))) as chart:
            return list(chart.render(given).values()) == ["true"]
    except helm_python.HelmError:
        return False


def _failed(plan: Plan, said: str, where: Path | None = None) -> RenderError:
    paths = [(where / name, plan.path or ".") for name in ("chart.tgz", "chart")] + [(where, "")] if where else []
    text = readable(said, paths)
    text = text.removesuffix("Use --debug flag to render out invalid YAML").strip()
    within = f"{plan.path}/" if plan.path else ""
    # As a function: a backslash in a directory's name is no escape.
    text = _IN_CHART.sub(lambda _: within, text)
    return RenderError(f"Helm cannot render {plan.path or '.'}: {text}", code="tool-failed")
