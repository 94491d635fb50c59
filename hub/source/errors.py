"""Why reading a repository failed, in words its owner can act on.

    SourceError              `retryable` says whether the same request may succeed later
    ├── RepositoryRefused        the operator's policy, or the URL itself, forbids it
    ├── RepositoryDenied         the server wants other credentials, or has no such repository
    ├── RepositoryUnreachable    no answer, a broken answer, or one that took too long
    ├── RepositoryTooLarge       it goes beyond what one mirror may take
    ├── RevisionNotFound         the repository has no such branch, tag, commit or matching version
    ├── ArtifactRefused          what was fetched is not what was announced, or nothing that is taken
    ├── MirrorDamaged            the hub's own copy cannot be read; the next forced refresh makes a new one
    └── SourceStorageError       the hub's disk is full or refuses

Messages name the repository as `RepoUrl.display` does, so never with credentials. What Git or a server said goes into
`detail`, for the log only.
"""

from __future__ import annotations

from hub.errors import HubError


class SourceError(HubError):
    code = "source-error"
    status = 502
    retryable = True

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail
        self.retry_after = 0.0
        """Seconds the server asks to be left alone for."""


class RepositoryRefused(SourceError):
    code = "repository-refused"
    status = 422
    retryable = False


class RepositoryDenied(SourceError):
    code = "repository-denied"
    status = 422


class RepositoryUnreachable(SourceError):
    code = "repository-unreachable"
    status = 422


class RepositoryTooLarge(SourceError):
    code = "repository-too-large"
    status = 422
    retryable = False


class RevisionNotFound(SourceError):
    code = "revision-not-found"
    status = 404


class ArtifactRefused(SourceError):
    code = "artifact-refused"
    retryable = False


class MirrorDamaged(SourceError):
    code = "mirror-damaged"


class SourceStorageError(SourceError):
    code = "source-storage"
    status = 503
