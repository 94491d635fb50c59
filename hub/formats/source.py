"""An application's source ⇄ hub.domain.application.Source."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from hub.domain.application import (
    DirectoryOptions,
    HelmOptions,
    JsonnetOptions,
    JsonnetVariable,
    KustomizeOptions,
    KustomizeReplica,
    NameValue,
    PluginOptions,
    PluginParameter,
    Source,
)
from hub.domain.manifest import canonical_json
from hub.formats import served
from hub.formats.fields import Fields, Problems, described
from hub.formats.repository import holds_password, repository_problem

T = TypeVar("T")

DEFAULT_REVISION = "HEAD"

_REVISION_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_REF = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_REVISION = 255


def read_source(fields: Fields) -> Source:
    """Read one entry of `spec.sources`, or `spec.source`."""
    chart = fields.text("chart")
    path = fields.text("path")
    ref = fields.text("ref")
    if not (path or chart or ref):
        fields.fail("path", 'is missing: write "path: ." for the root of the repository')
    if chart and path.strip("./"):
        fields.problems.notes.append(f"{fields.at('path')} means nothing beside chart: leave it out")
    options = _read_tool(fields)
    source = Source(
        repo_url=_read_repository(fields, chart=bool(chart)),
        path=_read_path(fields, path),
        target_revision=_read_revision(fields),
        chart=chart,
        ref=_read_ref(fields, ref),
        name=fields.text("name"),
        tag_prefix=fields.text("tagPrefix"),
        **options,
    )
    fields.unserved(served.SOURCE)
    fields.finish()
    return source


def source_from(value: Mapping[str, Any], path: str, problems: Problems) -> Source:
    """Read a source that stands alone, such as one that an override has changed."""
    return read_source(Fields(value, path, problems))


def describe_sources(sources: Sequence[Source]) -> bytes:
    """Return what a set of manifests was made from, in the YAML's own words, as canonical JSON."""
    return canonical_json([write_source(source) for source in sources])


def write_source(source: Source) -> dict[str, Any]:
    """Return the YAML form, with only the fields that say something."""
    result: dict[str, Any] = {
        "repoURL": source.repo_url,
        "path": source.path,
        "targetRevision": source.target_revision,
        "chart": source.chart,
        "ref": source.ref,
        "name": source.name,
        "tagPrefix": source.tag_prefix,
        "directory": _write_directory(source.directory),
        "helm": _write_helm(source.helm),
        "kustomize": _write_kustomize(source.kustomize),
        "plugin": _write_plugin(source.plugin),
    }
    return {key: value for key, value in result.items() if value}


def _read_repository(fields: Fields, *, chart: bool) -> str:
    url = fields.required("repoURL", "name the repository to read").strip()
    if not url:
        return ""
    if problem := repository_problem(url, chart=chart):
        fields.fail("repoURL", problem)
    elif holds_password(url):
        fields.problems.notes.append(
            f"{fields.at('repoURL')} holds a password, which everyone who may read the application sees: "
            "use an ssh address and the keys of the hub instead"
        )
    return url


def _read_path(fields: Fields, path: str) -> str:
    """Check a path and return its plainest spelling; "." is the root."""
    if not path:
        return ""
    if path.startswith("/"):
        fields.fail(
            "path", f"is {described(path)}, but a path from the repository's root, without '/' before it, is wanted"
        )
    elif ".." in path.split("/"):
        fields.fail("path", f"is {described(path)}, which leads out of the repository: leave '..' out")
    elif not path.isprintable():
        fields.fail("path", f"is {described(path)}, which holds a control character")
    return posixpath.normpath(path)


def _read_revision(fields: Fields) -> str:
    revision = fields.text("targetRevision").strip()
    if len(revision) > _LONGEST_REVISION or _REVISION_REFUSED.search(revision) or revision.startswith("-"):
        fields.fail("targetRevision", f"is {described(revision)}: name a branch, a tag, a commit or a version range")
    return revision or DEFAULT_REVISION


def _read_ref(fields: Fields, ref: str) -> str:
    if ref and not _REF.fullmatch(ref):
        fields.fail("ref", f"is {described(ref)}: use letters, digits, '-' and '_'")
    return ref


def _read_tool(fields: Fields) -> dict[str, Any]:
    """Read the tool's options. Options that say nothing leave the choice of the tool open, as in Argo CD."""
    found = {
        "directory": _meaningful(_read_directory(fields.child("directory")), DirectoryOptions()),
        "helm": _meaningful(_read_helm(fields.child("helm")), HelmOptions()),
        "kustomize": _meaningful(_read_kustomize(fields.child("kustomize")), KustomizeOptions()),
        "plugin": _meaningful(_read_plugin(fields.child("plugin")), PluginOptions()),
    }
    tools = {key: options for key, options in found.items() if options is not None}
    if len(tools) > 1:
        fields.fail("", f"has options for {' and '.join(tools)}: a source is rendered by one of them")
    return tools


def _meaningful(options: T | None, empty: T) -> T | None:
    return None if options == empty else options


def _read_directory(fields: Fields | None) -> DirectoryOptions | None:
    if fields is None:
        return None
    options = DirectoryOptions(
        fields.flag("recurse"), fields.text("include"), fields.text("exclude"), _read_jsonnet(fields.child("jsonnet"))
    )
    fields.finish()
    return options


def _read_jsonnet(fields: Fields | None) -> JsonnetOptions:
    if fields is None:
        return JsonnetOptions()
    options = JsonnetOptions(
        ext_vars=tuple(_read_variable(child) for child in fields.children("extVars")),
        tlas=tuple(_read_variable(child) for child in fields.children("tlas")),
        libs=fields.texts("libs"),
    )
    fields.finish()
    return options


def _read_variable(fields: Fields) -> JsonnetVariable:
    variable = JsonnetVariable(fields.required("name"), fields.text("value"), fields.flag("code"))
    fields.finish()
    return variable


def _write_directory(options: DirectoryOptions | None) -> dict[str, Any]:
    if options is None:
        return {}
    jsonnet = {
        "extVars": [_write_variable(variable) for variable in options.jsonnet.ext_vars],
        "tlas": [_write_variable(variable) for variable in options.jsonnet.tlas],
        "libs": list(options.jsonnet.libs),
    }
    found = {
        "recurse": options.recurse,
        "include": options.include,
        "exclude": options.exclude,
        "jsonnet": {key: value for key, value in jsonnet.items() if value},
    }
    return {key: value for key, value in found.items() if value}


def _write_variable(variable: JsonnetVariable) -> dict[str, Any]:
    code = {"code": True} if variable.code else {}
    return {"name": variable.name, "value": variable.value, **code}


def _read_helm(fields: Fields | None) -> HelmOptions | None:
    if fields is None:
        return None
    options = HelmOptions(
        release_name=fields.text("releaseName"),
        value_files=fields.texts("valueFiles"),
        values=_read_values(fields),
        values_object=fields.mapping("valuesObject") or None,
        parameters=tuple(_read_parameter(child) for child in fields.children("parameters")),
        file_parameters=tuple(_read_file_parameter(child) for child in fields.children("fileParameters")),
        ignore_missing_value_files=fields.flag("ignoreMissingValueFiles"),
        skip_crds=fields.flag("skipCrds"),
        skip_tests=fields.flag("skipTests"),
        skip_schema_validation=fields.flag("skipSchemaValidation"),
        namespace=fields.text("namespace"),
        kube_version=fields.text("kubeVersion"),
        api_versions=fields.texts("apiVersions"),
        version=_read_helm_version(fields),
        pass_credentials=fields.flag("passCredentials"),
    )
    fields.unserved(served.HELM)
    fields.finish()
    return options


def _read_helm_version(fields: Fields) -> str:
    version = fields.text("version")
    if version not in ("", "v3"):
        fields.fail("version", f"is {described(version)}, but charts are rendered as v3 has them: leave it out")
    return version


def _read_values(fields: Fields) -> str:
    if not isinstance(fields.get("values"), Mapping):
        return fields.text("values")
    fields.fail("values", "is a mapping, but text is wanted: rename it to valuesObject")
    return ""


def _read_parameter(fields: Fields) -> NameValue:
    parameter = NameValue(fields.required("name"), fields.text("value"), fields.flag("forceString"))
    fields.finish()
    return parameter


def _read_file_parameter(fields: Fields) -> tuple[str, str]:
    name, path = fields.required("name"), fields.required("path")
    fields.finish()
    return name, path


def _write_helm(options: HelmOptions | None) -> dict[str, Any]:
    if options is None:
        return {}
    found: dict[str, Any] = {
        "releaseName": options.release_name,
        "valueFiles": list(options.value_files),
        "values": options.values,
        "valuesObject": options.values_object,
        "parameters": [
            {"name": p.name, "value": p.value, **({"forceString": True} if p.force_string else {})}
            for p in options.parameters
        ],
        "fileParameters": [{"name": name, "path": path} for name, path in options.file_parameters],
        "ignoreMissingValueFiles": options.ignore_missing_value_files,
        "skipCrds": options.skip_crds,
        "skipTests": options.skip_tests,
        "skipSchemaValidation": options.skip_schema_validation,
        "namespace": options.namespace,
        "kubeVersion": options.kube_version,
        "apiVersions": list(options.api_versions),
        "version": options.version,
        "passCredentials": options.pass_credentials,
    }
    return {key: value for key, value in found.items() if value}


def _read_kustomize(fields: Fields | None) -> KustomizeOptions | None:
    if fields is None:
        return None
    options = KustomizeOptions(
        name_prefix=fields.text("namePrefix"),
        name_suffix=fields.text("nameSuffix"),
        namespace=fields.text("namespace"),
        images=fields.texts("images"),
        common_labels=fields.text_map("commonLabels"),
        common_annotations=fields.text_map("commonAnnotations"),
        force_common_labels=fields.flag("forceCommonLabels"),
        force_common_annotations=fields.flag("forceCommonAnnotations"),
        label_without_selector=fields.flag("labelWithoutSelector"),
        label_include_templates=fields.flag("labelIncludeTemplates"),
        replicas=tuple(_read_replica(child) for child in fields.children("replicas")),
        patches=tuple(_read_patch(child) for child in fields.children("patches")),
        components=fields.texts("components"),
        ignore_missing_components=fields.flag("ignoreMissingComponents"),
        common_annotations_envsubst=fields.flag("commonAnnotationsEnvsubst"),
        kube_version=fields.text("kubeVersion"),
        api_versions=fields.texts("apiVersions"),
        version=fields.text("version"),
    )
    fields.unserved(served.KUSTOMIZE)
    fields.finish()
    return options


def _read_replica(fields: Fields) -> KustomizeReplica:
    name, count = fields.required("name"), fields.get("count")
    fields.finish()
    # Argo CD takes the number as text, too.
    if isinstance(count, str) and re.fullmatch(r"[0-9]{1,9}", count):
        count = int(count)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < 2**31:
        fields.fail("count", f"is {described(count)}, but a number from 0 is wanted")
        count = 0
    return KustomizeReplica(name, count)


def _read_patch(fields: Fields) -> Mapping[str, Any]:
    if not fields.text("patch") and not fields.text("path"):
        fields.fail("", "needs a patch, or the path of one")
    for key in ("target", "options"):
        fields.mapping(key)
    fields.finish()
    return fields.value


def _write_kustomize(options: KustomizeOptions | None) -> dict[str, Any]:
    if options is None:
        return {}
    found: dict[str, Any] = {
        "namePrefix": options.name_prefix,
        "nameSuffix": options.name_suffix,
        "namespace": options.namespace,
        "images": list(options.images),
        "commonLabels": dict(options.common_labels),
        "commonAnnotations": dict(options.common_annotations),
        "forceCommonLabels": options.force_common_labels,
        "forceCommonAnnotations": options.force_common_annotations,
        "labelWithoutSelector": options.label_without_selector,
        "labelIncludeTemplates": options.label_include_templates,
        "replicas": [{"name": r.name, "count": r.count} for r in options.replicas],
        "patches": [dict(patch) for patch in options.patches],
        "components": list(options.components),
        "ignoreMissingComponents": options.ignore_missing_components,
        "commonAnnotationsEnvsubst": options.common_annotations_envsubst,
        "kubeVersion": options.kube_version,
        "apiVersions": list(options.api_versions),
        "version": options.version,
    }
    return {key: value for key, value in found.items() if value}


def _read_plugin(fields: Fields | None) -> PluginOptions | None:
    if fields is None:
        return None
    options = PluginOptions(
        name=fields.text("name"),
        env=tuple(_read_environment(child) for child in fields.children("env")),
        parameters=tuple(_read_plugin_parameter(child) for child in fields.children("parameters")),
    )
    fields.finish()
    return options


def _read_environment(fields: Fields) -> tuple[str, str]:
    pair = fields.required("name"), fields.text("value")
    fields.finish()
    return pair


def _read_plugin_parameter(fields: Fields) -> PluginParameter:
    parameter = PluginParameter(
        fields.required("name"), fields.text("string"), fields.texts("array"), fields.text_map("map")
    )
    fields.finish()
    return parameter


def _write_plugin(options: PluginOptions | None) -> dict[str, Any]:
    if options is None:
        return {}
    found: dict[str, Any] = {
        "name": options.name,
        "env": [{"name": name, "value": value} for name, value in options.env],
        "parameters": [_write_plugin_parameter(parameter) for parameter in options.parameters],
    }
    return {key: value for key, value in found.items() if value}


def _write_plugin_parameter(parameter: PluginParameter) -> dict[str, Any]:
    found = {
        "name": parameter.name,
        "string": parameter.string,
        "array": list(parameter.array),
        "map": dict(parameter.map),
    }
    return {key: value for key, value in found.items() if value}
