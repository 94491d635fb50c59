"""Local accounts: who has one, and proof by password that somebody is who they say.

The first start makes `admin` with a generated password; nothing ever has a default one. Whoever fails to log in learns
nothing but that: not whether the account exists, is disabled, or the password was wrong, neither by words nor by time.
"""

from __future__ import annotations

import re
from dataclasses import replace

from hub.access.audit import Audit, printable
from hub.access.contract import AccessRecords, Clock
from hub.access.passwords import Passwords, check_password
from hub.access.roles import ADMIN, READ_ONLY, ROLES
from hub.access.throttle import LoginThrottle
from hub.domain.access import Account
from hub.errors import Conflict, HubError, Invalid, NotFound, TooManyRequests, Unauthenticated

ADMIN_NAME = "admin"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@-]{0,61}[a-z0-9])?", re.ASCII)


class Accounts:
    def __init__(
        self,
        records: AccessRecords,
        audit: Audit,
        clock: Clock,
        passwords: Passwords | None = None,
        throttle: LoginThrottle | None = None,
    ) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._passwords = passwords or Passwords()
        self._throttle = throttle or LoginThrottle()

    async def ensure_admin(self, password: str) -> None:
        """Make the account `admin` with this password, unless there is one. Several replicas that start at once call
        this under a lease."""
        if await self._records.get_account(ADMIN_NAME) is None:
            await self.create(ADMIN_NAME, password, role=ADMIN, actor="first start")

    async def create(self, name: str, password: str, *, role: str = READ_ONLY, actor: str) -> Account:
        """Raises Invalid for a bad name, password or role; Conflict when the name is taken."""
        if not _NAME.fullmatch(name):
            raise Invalid(
                "an account's name is 1 to 63 lower-case letters, digits and ._@-, first and last a letter or digit"
            )
        _check_role(role)
        check_password(password, name)
        hash = await self._passwords.hash(password)
        if await self._records.get_account(name) is not None:
            raise Conflict(f"there is an account {name} already")
        account = Account(name, hash, role=role, created_at=self._clock())
        await self._records.put_account(account)
        await self._audit.record("AccountCreated", f"account {name} was created with {role}", actor=actor)
        return account

    async def authenticate(self, name: str, password: str, address: str) -> Account:
        """Return the account whose name and password these are. `address` is where the request came from.

        Raises Unauthenticated, TooManyRequests after repeated failures, StoreUnavailable.
        """
        wait = self._throttle.begin(name, address, self._clock())
        if wait:
            seconds = max(1.0, wait.total_seconds())
            raise TooManyRequests(
                f"too many failed logins: try again in {seconds:.0f} s",
                code="too-many-logins",
                retry_after=seconds,
            )
        try:
            account = await self._check(name, password)
        except HubError:
            self._throttle.withdrawn(name, address)
            raise
        if account is None:
            message = f"login as {printable(name)} from {printable(address)} failed"
            await self._audit.record("LoginFailed", message, severity="warning")
            raise Unauthenticated("the account's name or the password is wrong", code="bad-credentials")
        self._throttle.succeeded(name, address)
        return account

    async def change_password(self, name: str, current: str, new: str, *, address: str, keep: str = "") -> None:
        """Change one's own password. All sessions end but the one with the hash `keep`.

        Raises as `authenticate` when the current one is wrong; Invalid when the new one will not do.
        """
        account = await self.authenticate(name, current, address)
        if current == new:
            raise Invalid("the new password is the old one", code="bad-password")
        await self._put_password(account, new, keep=keep, actor=name)

    async def set_password(self, name: str, new: str, *, actor: str) -> None:
        """Give an account a new password, as an administrator; all its sessions end. Raises NotFound, Invalid."""
        await self._put_password(await self.get(name), new, keep="", actor=actor)

    async def set_enabled(self, name: str, enabled: bool, *, actor: str) -> None:
        """Raises NotFound; Conflict for the last administrator."""
        await self._change(replace(await self.get(name), enabled=enabled), actor)

    async def set_role(self, name: str, role: str, *, actor: str) -> None:
        """Raises NotFound; Invalid for an unknown role; Conflict for the last administrator."""
        _check_role(role)
        await self._change(replace(await self.get(name), role=role), actor)

    async def get(self, name: str) -> Account:
        """Raises NotFound."""
        account = await self._records.get_account(name)
        if account is None:
            raise NotFound(f"there is no account {printable(name)}")
        return account

    async def list(self) -> list[Account]:
        return sorted(await self._records.list_accounts(), key=lambda account: account.name)

    async def _check(self, name: str, password: str) -> Account | None:
        account = await self._records.get_account(name) if _NAME.fullmatch(name) else None
        right, updated = await self._passwords.verify(password, account.password_hash if account else None)
        if not right or account is None or not account.enabled:
            return None
        if updated and await self._records.get_account(name) == account:
            account = replace(account, password_hash=updated)
            await self._records.put_account(account)
        return account

    async def _put_password(self, account: Account, new: str, *, keep: str, actor: str) -> None:
        check_password(new, account.name)
        hash = await self._passwords.hash(new)
        await self._records.put_account(replace(account, password_hash=hash))
        await self._records.remove_sessions(account.name, keep=keep)
        await self._audit.record("PasswordChanged", f"the password of account {account.name} was changed", actor=actor)

    async def _change(self, account: Account, actor: str) -> None:
        others = [a for a in await self._records.list_accounts() if a.name != account.name]
        if not any(a.enabled and a.role == ADMIN for a in (account, *others)):
            raise Conflict(f"account {account.name} is the last administrator: make another one first")
        await self._records.put_account(account)
        if not account.enabled:
            await self._records.remove_sessions(account.name)
        state = "enabled" if account.enabled else "disabled"
        message = f"account {account.name} is now {state} with {account.role}"
        await self._audit.record("AccountChanged", message, actor=actor)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Invalid(f"there is no role {printable(role)}: use one of {', '.join(ROLES)}")
