"""What the Kubernetes API can answer with, by what there is to do about it.

    KubeError
    ├── Retryable          the same request may succeed later
    │   ├── Unreachable        no answer: connection refused, reset, timed out, or a 5xx
    │   │   └── WebhookUnreachable  the API server's own: an admission webhook gave it no answer
    │   ├── Throttled          429; carries retry_after
    │   ├── Conflict           409: the object changed meanwhile, or the uid precondition failed
    │   ├── NamespaceTerminating   the namespace is going away
    │   └── Gone               410: the resourceVersion is too old; list again
    └── Permanent          the same request fails again until somebody changes something
        ├── NotFound
        │   └── NamespaceMissing    the namespace an object is to be in
        ├── KindUnknown        the server serves no such kind (its CRD may come later)
        ├── Forbidden          401, 403: RBAC, or credentials
        ├── FieldConflict      409 of a server-side apply without force; carries the managers
        └── Rejected           400, 422, admission webhooks, quota: carries the fields named

Both implementations of `KubeClient` raise these and nothing else, so that what to do about an error is
decided once, from its type.
"""

from __future__ import annotations


class KubeError(Exception):
    """The Kubernetes API refused or did not answer."""

    reason = "Error"
    advice = ""
    """What there is to do about it, where the server's own words do not say."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def hint(self) -> str:
        """The kind of error, and what to do: ` (Forbidden: grant …)`; empty where there is nothing to add."""
        return f" ({self.reason}: {self.advice})" if self.advice else ""


class Retryable(KubeError):
    """The same request may succeed later, with nobody changing anything."""


class Permanent(KubeError):
    """The same request fails again until somebody changes something."""


class Unreachable(Retryable):
    reason = "Unreachable"
    advice = "see to the cluster's API server, or to the agent's way to it"


class WebhookUnreachable(Unreachable):
    advice = "see to the admission webhook that is named, or to the API server's way to it"


class Throttled(Retryable):
    reason = "Throttled"
    advice = "the API server has more to do than it can, or allots the agent too little"

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds to wait, as the server says."""


class Conflict(Retryable):
    reason = "Conflict"


class NamespaceTerminating(Retryable):
    reason = "NamespaceTerminating"


class Gone(Retryable):
    reason = "Gone"


class NotFound(Permanent):
    reason = "NotFound"


class NamespaceMissing(NotFound):
    """The namespace that an object is to be in is not there."""

    advice = "create the namespace, or set the sync option CreateNamespace=true"


class KindUnknown(Permanent):
    reason = "KindUnknown"


class Forbidden(Permanent):
    reason = "Forbidden"
    advice = "grant this to the agent's account"


class FieldConflict(Permanent):
    reason = "FieldConflict"

    def __init__(self, message: str, managers: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.managers = managers


class Rejected(Permanent):
    reason = "Rejected"
    advice = "correct the manifest, or what refuses it"

    def __init__(self, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields
        """The fields the server names, as it names them: "spec.replicas"."""
