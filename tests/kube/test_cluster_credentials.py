"""Credentials as they rotate, run out and are refused. Plugins are real commands."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.kube.cluster import credentials, execplugin
from agent.kube.cluster.credentials import Auth, FileCredentials, PluginCredentials, credentials_of
from agent.kube.cluster.execplugin import run_plugin
from agent.kube.connection import Connection, ExecPlugin, Impersonation, Pem
from agent.kube.errors import Forbidden, Unreachable
from tests.kube.serving import until

V1 = "client.authentication.k8s.io/v1"


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer {token}"),)


def credential(version: str = V1, **status: Any) -> str:
    return orjson.dumps({"kind": "ExecCredential", "apiVersion": version, "status": status}).decode()


def printing(text: str, **more: Any) -> ExecPlugin:
    """A plugin that prints a text."""
    return running(f"print({text!r})", **more)


def running(code: str, **more: Any) -> ExecPlugin:
    return ExecPlugin(**{"api_version": V1, "command": sys.executable, "args": ("-c", code), **more})


async def test_of_what_is_given_the_file_comes_first_then_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("file\n")
    everything: dict[str, Any] = {"token": "t", "username": "u", "password": "p", "plugin": printing("")}
    assert (await credentials_of(Connection("", token_file=tmp_path / "token", **everything)).get()).headers == bearer(
        "file"
    )
    assert (await credentials_of(Connection("", **everything)).get()).headers == bearer("t")
    del everything["token"]
    assert (await credentials_of(Connection("", **everything)).get()).headers == (("Authorization", "Basic dTpw"),)
    assert (await credentials_of(Connection("")).get()).headers == ()


async def test_a_fixed_credential_is_not_tried_twice() -> None:
    fixed = credentials_of(Connection("", token="t"))
    assert not await fixed.refused(await fixed.get())


async def test_impersonation_goes_with_the_credential() -> None:
    who = Impersonation("jane", "7", ("a", "b"), (("Scope/x", "1"),))
    auth = await credentials_of(Connection("", token="t", impersonate=who)).get()
    assert auth.headers == (
        *bearer("t"),
        ("Impersonate-User", "jane"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-scope%2Fx", "1"),
    )


async def test_a_token_file_is_read_again_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    source = FileCredentials(path)
    first = await source.get()
    path.write_text("two")
    assert await source.get() is first
    later = time.monotonic() + credentials.REREAD_SECONDS
    monkeypatch.setattr("time.monotonic", lambda: later)
    assert (await source.get()).headers == bearer("two")


async def test_a_refused_token_is_read_again_at_once(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one")
    source = FileCredentials(path)
    auth = await source.get()
    assert not await source.refused(auth)  # still the same
    path.write_text("two")
    assert await source.refused(auth)
    assert (await source.get()).headers == bearer("two")


@pytest.mark.parametrize("broken", [None, b"", b"  \n", b"\xff\xff", b"a\nb"])
async def test_a_broken_token_file_leaves_the_last_token(tmp_path: Path, broken: bytes | None) -> None:
    path = tmp_path / "token"
    path.write_text("good")
    source = FileCredentials(path)
    auth = await source.get()
    if broken is None:
        path.unlink()
    else:
        path.write_bytes(broken)
    assert not await source.refused(auth)
    assert await source.get() is auth
    with pytest.raises(Forbidden, match="token"):
        await FileCredentials(path).get()


async def test_runs_a_plugin_with_its_environment_and_no_shell() -> None:
    code = (
        "import os,sys,json;info=json.loads(os.environ['KUBERNETES_EXEC_INFO']);"
        "assert sys.stdin.read()=='';"
        "print(json.dumps({'kind':'ExecCredential','apiVersion':info['apiVersion'],"
        "'status':{'token':os.environ['A']+sys.argv[1]+info['spec']['cluster']['server']}}))"
    )
    plugin = ExecPlugin(
        "client.authentication.k8s.io/v1beta1",
        sys.executable,
        ("-c", code, ";$(id)"),
        (("A", "a"),),
        cluster_info={"server": "https://h"},
    )
    assert (await run_plugin(plugin)).token == "a;$(id)https://h"


async def test_reads_a_certificate_and_an_expiry() -> None:
    text = credential(clientCertificateData="C", clientKeyData="K", expirationTimestamp="2030-01-01T00:00:00Z")
    found = await run_plugin(printing(text))
    assert (found.certificate, found.key, found.token) == (Pem(data=b"C"), Pem(data=b"K"), "")
    assert found.expires == datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    assert "C" not in repr(found.certificate)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("secret-thing", "not JSON"),
        ("[]", "kind"),
        (credential("client.authentication.k8s.io/v1beta1", token="secret-thing"), "apiVersion"),
        (orjson.dumps({"kind": "ExecCredential", "apiVersion": V1}).decode(), "status"),
        (credential(), "neither"),
        (credential(token=7), "status.token"),
        (credential(token="secret-thing\nX: y"), "status.token"),
        (credential(token="sécret-thing"), "status.token"),
        (credential(clientCertificateData="secret-thing"), "together"),
        (credential(token="secret-thing", expirationTimestamp="tomorrow"), "RFC 3339"),
    ],
)
async def test_refuses_other_output_and_quotes_none_of_it(text: str, says: str) -> None:
    with pytest.raises(Forbidden, match=says) as caught:
        await run_plugin(printing(text))
    assert "secret-thing" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_plugin_that_fails_is_worth_another_try() -> None:
    with pytest.raises(Unreachable, match="status 3: no session") as caught:
        await run_plugin(running("import sys;print('x\\n\\x1b no session\\n',file=sys.stderr);sys.exit(3)"))
    assert "\x1b" not in str(caught.value)


async def test_a_plugin_that_is_missing_says_how_to_get_it() -> None:
    with pytest.raises(Forbidden, match=r"cannot be run: No such file.*; get it at x"):
        await run_plugin(ExecPlugin(V1, "/nowhere/login", install_hint="get it at x"))


async def test_a_plugin_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess,sys,pathlib;"
        "p=subprocess.Popen([sys.executable,'-c','import time;time.sleep(600)']);"
        f"pathlib.Path({str(note)!r}).write_text(str(p.pid));p.wait()"
    )
    with pytest.raises(Unreachable, match=r"within 1.5 s"):
        await run_plugin(running(code), time_limit=1.5)
    child = int(note.read_text())
    await until(lambda: not alive(child))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_a_plugin_that_is_cancelled_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os,time,pathlib;pathlib.Path({str(note)!r}).write_text(str(os.getpid()));time.sleep(600)"
    task = asyncio.create_task(run_plugin(running(code)))
    await until(lambda: note.exists() and note.read_text() != "")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), signal.SIGCONT)


async def test_the_output_of_a_plugin_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execplugin, "MAX_OUTPUT", 1000)
    with pytest.raises(Forbidden, match="not JSON"):
        await run_plugin(running("print('{' + ' ' * 5_000_000)"))


class Counted:
    """A plugin whose token counts its runs, by a file."""

    def __init__(self, directory: Path, **status: Any) -> None:
        self.path = directory / "runs"
        self.path.write_text("")
        code = (
            f"import pathlib,json;p=pathlib.Path({str(self.path)!r});p.write_text(p.read_text()+'x');"
            f"s={status!r};s.setdefault('token',str(len(p.read_text())));"
            f"print(json.dumps({{'kind':'ExecCredential','apiVersion':{V1!r},'status':s}}))"
        )
        self.plugin = running(code)

    @property
    def runs(self) -> int:
        return len(self.path.read_text())


async def test_one_run_serves_all_who_wait(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    source = PluginCredentials(counted.plugin)
    auths = await asyncio.gather(*(source.get() for _ in range(10)))
    assert {auth.headers for auth in auths} == {bearer("1")}
    assert counted.runs == 1


async def test_a_credential_is_replaced_before_it_expires(tmp_path: Path) -> None:
    expires = datetime.now(UTC) + timedelta(hours=1)
    now = time.time()
    counted = Counted(tmp_path, expirationTimestamp=expires.isoformat())
    source = PluginCredentials(counted.plugin, wall_clock=lambda: now, pause=0.0)
    await source.get()
    now = expires.timestamp() - credentials.EXPIRY_LEEWAY - 1
    assert (await source.get()).headers == bearer("1")
    now += 2
    assert (await source.get()).headers == bearer("2")


async def test_a_credential_that_comes_expired_does_not_run_the_plugin_for_every_request(tmp_path: Path) -> None:
    counted = Counted(tmp_path, expirationTimestamp="2020-01-01T00:00:00Z")
    source = PluginCredentials(counted.plugin)
    for _ in range(3):
        assert (await source.get()).headers == bearer("1")


async def test_a_refused_credential_is_fetched_again_once(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    source = PluginCredentials(counted.plugin, pause=0.0)
    auth = await source.get()
    assert all(await asyncio.gather(source.refused(auth), source.refused(auth)))
    assert counted.runs == 2
    assert (await source.get()).headers == bearer("2")


async def test_the_same_credential_again_is_not_worth_a_try(tmp_path: Path) -> None:
    counted = Counted(tmp_path, token="same")
    source = PluginCredentials(counted.plugin, pause=0.0)
    assert not await source.refused(await source.get())
    assert counted.runs == 2


async def test_a_server_that_refuses_everything_does_not_keep_the_plugin_busy(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    source = PluginCredentials(counted.plugin)
    assert not await source.refused(await source.get())
    assert counted.runs == 1


async def test_a_failing_plugin_is_not_run_for_every_request(tmp_path: Path) -> None:
    note = tmp_path / "runs"
    plugin = running(f"open({str(note)!r},'a').write('x');raise SystemExit(1)")
    source = PluginCredentials(plugin)
    results = await asyncio.gather(*(source.get() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, Unreachable) for result in results)
    assert note.read_text() == "x"


def test_repr_hides_the_token() -> None:
    assert "t0ken" not in repr(Auth(bearer("t0ken")))
