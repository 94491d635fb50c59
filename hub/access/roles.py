"""Who may do what.

The two built-in roles are Argo CD's. Whatever decides later, with policies and groups, decides behind `Authorizer`.
"""

from __future__ import annotations

from typing import Protocol

from hub.domain.access import Account
from hub.errors import PermissionDenied

ADMIN = "role:admin"
READ_ONLY = "role:readonly"
ROLES = (ADMIN, READ_ONLY)

RESOURCES = frozenset(
    {
        "accounts",
        "applications",
        "applicationsets",
        "certificates",
        "clusters",
        "exec",
        "gpgkeys",
        "logs",
        "projects",
        "repositories",
    }
)
ACTIONS = frozenset({"get", "create", "update", "delete", "sync", "action", "override"})

_READABLE = RESOURCES - {"exec"}


class Authorizer(Protocol):
    def may(self, account: Account, resource: str, action: str, object: str = "*") -> bool:
        """Tell whether the account may do this to that object: "<project>/<name>" of an application, a cluster's
        or account's name, "*" for any. `action` may go into detail: "delete/apps/Deployment/ns/name"."""
        ...


class BuiltInRoles:
    """`role:admin` may everything there is, `role:readonly` may look; any other role nothing."""

    def may(self, account: Account, resource: str, action: str, object: str = "*") -> bool:
        if not account.enabled or resource not in RESOURCES or action.partition("/")[0] not in ACTIONS:
            return False
        if account.role == ADMIN:
            return True
        return account.role == READ_ONLY and action == "get" and resource in _READABLE


def require(authorizer: Authorizer, account: Account, resource: str, action: str, object: str = "*") -> None:
    """Raises PermissionDenied, which says what was not allowed."""
    if not authorizer.may(account, resource, action, object):
        on = "" if object == "*" else f" on {object}"
        raise PermissionDenied(f"account {account.name} may not {action} {resource}{on}: ask an administrator")
