"""The hub's errors, and the catalogue of what callers are told.

    HubError                 a code of the catalogue, and a message for the caller
    ├── Invalid              what was sent is wrong: 400 / 422
    ├── Unauthenticated      401
    ├── PermissionDenied     403
    ├── NotFound             404
    ├── Conflict             409
    ├── TooLarge             413
    ├── TooManyRequests      429, worth retrying after `retry_after` seconds
    ├── Unavailable          503, worth retrying
    │   └── StoreUnavailable     the database does not answer, or its disk is full
    └── Unsupported          501

Text from inside (SQL, tracebacks, other people's error bodies) never goes into `message`; it goes to the log, next to
the request's id.
"""

from __future__ import annotations


class HubError(Exception):
    code = "internal"
    status = 500

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class Invalid(HubError):
    code = "invalid"
    status = 422


class Unauthenticated(HubError):
    code = "unauthenticated"
    status = 401


class PermissionDenied(HubError):
    code = "permission-denied"
    status = 403


class NotFound(HubError):
    code = "not-found"
    status = 404


class Conflict(HubError):
    code = "conflict"
    status = 409


class ChangedMeanwhile(Conflict):
    """Somebody else was first: what the change was worked out from is not what is stored any more."""


class TooLarge(HubError):
    code = "too-large"
    status = 413


class TooManyRequests(HubError):
    code = "too-many-requests"
    status = 429

    def __init__(self, message: str, *, code: str | None = None, retry_after: float) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after
        """Seconds."""


class Unavailable(HubError):
    code = "unavailable"
    status = 503


class StoreUnavailable(Unavailable):
    code = "store-unavailable"


class SchemaTooNew(HubError):
    code = "schema-too-new"


class Unsupported(HubError):
    code = "unsupported"
    status = 501
