"""Argo CD's build variables, put into the options that take them: Helm's parameters and the names of its value files,
and the values that Jsonnet is given.

They go in before the key is made, so only an application that uses its own name, say, has a render of its own for it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping

from hub.domain.application import DirectoryOptions, JsonnetVariable, Source
from hub.render.model import RenderRequest

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<braced>\w+)\}|(?P<plain>\w+))")


def with_variables(source: Source, request: RenderRequest, index: int) -> Source:
    """Return the source with every known variable replaced. Unknown ones stay: `$name/…` names another source."""
    if not any("$" in text for text in _texts(source)):
        return source
    variables = _variables(source, request, index)

    def filled(text: str) -> str:
        return _VARIABLE.sub(lambda found: _replacement(found, variables), text)

    if source.directory is not None:
        return dataclasses.replace(source, directory=_with_filled_jsonnet(source.directory, filled))
    options = source.helm
    if options is None:
        return source
    changed = dataclasses.replace(
        options,
        value_files=tuple(filled(path) for path in options.value_files),
        parameters=tuple(dataclasses.replace(p, value=filled(p.value)) for p in options.parameters),
        file_parameters=tuple((name, filled(path)) for name, path in options.file_parameters),
    )
    return dataclasses.replace(source, helm=changed)


def _with_filled_jsonnet(options: DirectoryOptions, filled: Callable[[str], str]) -> DirectoryOptions:
    def all_filled(variables: tuple[JsonnetVariable, ...]) -> tuple[JsonnetVariable, ...]:
        return tuple(dataclasses.replace(variable, value=filled(variable.value)) for variable in variables)

    jsonnet = options.jsonnet
    changed = dataclasses.replace(jsonnet, ext_vars=all_filled(jsonnet.ext_vars), tlas=all_filled(jsonnet.tlas))
    return dataclasses.replace(options, jsonnet=changed)


def _texts(source: Source) -> Iterator[str]:
    """Yield what variables may stand in."""
    if (helm := source.helm) is not None:
        yield from helm.value_files
        yield from (parameter.value for parameter in helm.parameters)
        yield from (path for _, path in helm.file_parameters)
    if source.directory is not None:
        jsonnet = source.directory.jsonnet
        yield from (variable.value for variable in (*jsonnet.ext_vars, *jsonnet.tlas))


def _replacement(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    return variables.get(found["braced"] or found["plain"], found[0])


def _variables(source: Source, request: RenderRequest, index: int) -> dict[str, str]:
    revision = request.sources[index].revision
    return {
        "ARGOCD_APP_NAME": request.app_name,
        "ARGOCD_APP_NAMESPACE": request.app_namespace,
        "ARGOCD_APP_PROJECT_NAME": request.project,
        "ARGOCD_APP_REVISION": revision,
        "ARGOCD_APP_REVISION_SHORT": revision[:7],
        "ARGOCD_APP_REVISION_SHORT_8": revision[:8],
        "ARGOCD_APP_SOURCE_PATH": source.path,
        "ARGOCD_APP_SOURCE_REPO_URL": source.repo_url,
        "ARGOCD_APP_SOURCE_TARGET_REVISION": source.target_revision,
        "KUBE_VERSION": request.capabilities.kubernetes_version.removeprefix("v"),
        "KUBE_API_VERSIONS": ",".join(request.capabilities.api_versions),
    }
