"""Argo CD's build variables, put into the Helm options that take them: parameters, and the names of value files.

They go in before the key is made, so only an application that uses its own name, say, has a render of its own for it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from hub.domain.application import HelmOptions, Source
from hub.render.model import RenderRequest

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<braced>\w+)\}|(?P<plain>\w+))")


def with_variables(source: Source, request: RenderRequest, index: int) -> Source:
    """Return the source with every known variable replaced. Unknown ones stay: `$name/…` names another source."""
    options = source.helm
    if options is None or not _uses_variables(options):
        return source
    variables = _variables(source, request, index)

    def filled(text: str) -> str:
        return _VARIABLE.sub(lambda found: _replacement(found, variables), text)

    changed = dataclasses.replace(
        options,
        value_files=tuple(filled(path) for path in options.value_files),
        parameters=tuple(dataclasses.replace(p, value=filled(p.value)) for p in options.parameters),
        file_parameters=tuple((name, filled(path)) for name, path in options.file_parameters),
    )
    return dataclasses.replace(source, helm=changed)


def _uses_variables(options: HelmOptions) -> bool:
    texts = (
        *options.value_files,
        *(parameter.value for parameter in options.parameters),
        *(path for _, path in options.file_parameters),
    )
    return any("$" in text for text in texts)


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
