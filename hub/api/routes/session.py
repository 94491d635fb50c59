"""Logging in and out, one's own account, and the hub's version."""

from __future__ import annotations

from fastapi import Request

from hub.api.context import ApiDep, CallerDep, address_of
from hub.api.convert import account_reply
from hub.api.errors import documented
from hub.api.models.session import AccountReply, Login, PasswordChange, SessionReply, VersionReply
from hub.api.routes.router import private_router, public_router

public = public_router("session")
private = private_router("session")


@public.post(
    "/session",
    operation_id="logIn",
    summary="Log in",
    status_code=201,
    responses=documented("bad-credentials", "too-many-logins", "busy"),
)
async def log_in(body: Login, request: Request, api: ApiDep) -> SessionReply:
    services = api.services
    account = await services.accounts.authenticate(body.username, body.password.get_secret_value(), address_of(request))
    token, session = await services.sessions.open(account)
    await services.audit.record("LoggedIn", f"{account.name} logged in from {address_of(request)}", actor=account.name)
    return SessionReply(token=token, expires_at=session.expires_at)


@public.get("/version", operation_id="getVersion", summary="The hub's version")
async def version(api: ApiDep) -> VersionReply:
    return VersionReply(version=api.services.settings.version, api="v1")


@private.delete("/session", operation_id="logOut", summary="Log out", status_code=204)
async def log_out(caller: CallerDep) -> None:
    await caller.services.sessions.close(caller.signed_in.session)


@private.get("/account", operation_id="getAccount", summary="One's own account")
async def get_account(caller: CallerDep) -> AccountReply:
    return account_reply(caller.account)


@private.put(
    "/account/password",
    operation_id="changePassword",
    summary="Change a password: one's own, or as an administrator another account's",
    status_code=204,
    responses=documented("bad-credentials", "not-found", "bad-password", "too-many-logins", "busy"),
)
async def change_password(body: PasswordChange, caller: CallerDep) -> None:
    accounts = caller.services.accounts
    current, new = body.current.get_secret_value(), body.new.get_secret_value()
    if body.account in ("", caller.name):
        keep = caller.signed_in.session.hash
        await accounts.change_password(caller.name, current, new, address=caller.address, keep=keep)
        return
    caller.require("accounts", "update", body.account)
    # A token somebody left lying about is not enough to take over other accounts.
    await accounts.authenticate(caller.name, current, caller.address)
    await accounts.set_password(body.account, new, actor=caller.name)
