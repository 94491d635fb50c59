"""Logging in, accounts, and what hub this is."""

from __future__ import annotations

from pydantic import Field, SecretStr

from hub.api.models.base import Reply, Request, Time


class Login(Request):
    username: str = Field(min_length=1, max_length=253)
    password: SecretStr = Field(min_length=1, max_length=1024)


class SessionReply(Reply):
    token: str
    """Shown this once. To be sent as `Authorization: Bearer <token>`."""
    expires_at: Time


class AccountReply(Reply):
    name: str
    role: str
    enabled: bool
    created_at: Time | None


class PasswordChange(Request):
    current: SecretStr = Field(max_length=1024)
    """The password of the account that asks, whosever password is changed."""
    new: SecretStr = Field(min_length=1, max_length=1024)
    account: str = Field(default="", max_length=253)
    """Whose password; empty: one's own. Another account's needs the permission to update accounts."""


class VersionReply(Reply):
    version: str
    api: str
