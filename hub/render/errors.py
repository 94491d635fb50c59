"""Why a source could not be rendered, in words the author of the source can act on.

`retryable` is False when the same input would fail again: only another commit or another spec helps.
"""

from __future__ import annotations

from hub.errors import HubError


class RenderError(HubError):
    """Codes:

    path-not-found      what the source names is not in the commit
    path-refused        a path or a symlink leads out of the repository
    invalid-manifest    a file is no YAML, or no Kubernetes object
    invalid-source      options, overrides or a chart that mean nothing
    tool-failed         kustomize or helm says no
    tool-missing        the hub lacks the program
    not-served          something this hub does not do
    not-permitted       the project does not let it be read
    too-large           beyond a limit on output, files or memory
    render-timeout      the time limit
    render-crashed      the worker died
    mirror-damaged      the files could not be read: refresh the repository by force, then try again
    """

    code = "render-error"
    status = 422

    def __init__(self, message: str, *, code: str, retryable: bool = False) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable


def path_refused(path: str, why: str) -> RenderError:
    return RenderError(f"{path[:200]!r} {why}.", code="path-refused")
