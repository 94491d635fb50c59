"""The agent's own errors. What a person can do about each stands in its message.

AgentError
├── ConfigError         a flag, variable or file is wrong; the agent does not start
├── EnrolmentError      the hub refused the token or the certificate
├── LinkError           the stream to the hub ended; always retried
└── StorageError        the data directory cannot be read or written (full, read-only, damaged)
"""

from __future__ import annotations


class AgentError(Exception):
    """Something the person who runs the agent can act on."""


class ConfigError(AgentError):
    pass


class EnrolmentError(AgentError):
    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class LinkError(AgentError):
    pass


class StorageError(AgentError):
    pass
