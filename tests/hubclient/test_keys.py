from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from agent.errors import EnrolmentError, StorageError
from agent.hubclient import files, keys
from agent.hubclient.keys import ChildKeys, KeyTool, LocalKeys
from hub.pki.certificates import read_request, to_der
from tests.pki.support import HubTrust


@pytest.fixture(params=["child", "local"])
def tool(request: pytest.FixtureRequest) -> KeyTool:
    return ChildKeys() if request.param == "child" else LocalKeys()


async def test_key_is_made_once_kept_private_and_asked_for_again(tool: KeyTool, tmp_path: Path) -> None:
    first, second = await tool.create(tmp_path), await tool.create(tmp_path)
    assert read_request(first) == read_request(second)
    entry = tmp_path / files.PENDING_KEY
    assert os.listdir(tmp_path) == [entry.name] and stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert b"PRIVATE" not in first and entry.read_text().splitlines()[1].encode() not in first


async def test_certificate_is_inspected_against_key_and_authorities(
    tool: KeyTool, tmp_path: Path, hub: HubTrust
) -> None:
    issued = await hub.pki.issue_from_csr("c-1", await tool.create(tmp_path))
    authorities = hub.pki.trust_bundle().authorities
    facts = await tool.inspect(tmp_path, issued.der, authorities)
    assert (facts.cluster, facts.not_before, facts.not_after, facts.pending) == (
        "c-1",
        issued.record.not_before,
        issued.record.not_after,
        True,
    )
    with pytest.raises(EnrolmentError, match="signed by none"):
        await tool.inspect(tmp_path, issued.der, ())
    with pytest.raises(EnrolmentError, match="no usable private key"):
        await tool.request(tmp_path)
    files.move(tmp_path / files.PENDING_KEY, tmp_path / files.KEY)
    assert read_request(await tool.request(tmp_path)) == issued.certificate.public_key()
    assert not (await tool.inspect(tmp_path, issued.der, authorities)).pending
    (tmp_path / files.KEY).unlink()
    with pytest.raises(EnrolmentError, match="another key"):
        await tool.inspect(tmp_path, issued.der, authorities)


@pytest.mark.parametrize("which", ["junk", "authority", "server"])
async def test_what_is_no_agents_certificate_is_refused(
    tool: KeyTool, tmp_path: Path, hub: HubTrust, which: str
) -> None:
    await tool.create(tmp_path)
    active = hub.pki.keyring.active
    server = hub.pki.issue_server(active.issuer.private_key.public_key())[0]
    certificate = {"junk": b"junk", "authority": to_der(active.certificate), "server": to_der(server)}[which]
    with pytest.raises(EnrolmentError):
        await tool.inspect(tmp_path, certificate, hub.pki.trust_bundle().authorities)


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
async def test_damaged_pending_key_is_replaced_and_damaged_key_is_told(
    tool: KeyTool, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / files.PENDING_KEY).write_bytes(content)
    read_request(await tool.create(tmp_path))
    (tmp_path / files.KEY).write_bytes(content)
    with pytest.raises(EnrolmentError, match="join again"):
        await tool.request(tmp_path)


async def test_directory_that_cannot_be_written_is_a_storage_error(tool: KeyTool, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read or written: No such file"):
        await tool.create(tmp_path / "missing")


async def test_child_inherits_no_secret_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCADRE_AGENT_TOKEN", "secret")
    monkeypatch.setenv("PATH", "/usr/bin")
    environment = keys._environment()
    assert "secret" not in repr(environment) and environment["PATH"] == "/usr/bin"
    assert set(environment) <= {*keys._PASSED_ON, "PYTHONPATH"}


async def test_child_that_dies_is_told_by_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_environment", lambda: {"PYTHONPATH": "/nonexistent"})
    monkeypatch.setattr(keys, "_command", lambda mode, directory: (sys.executable, "-c", "raise RuntimeError('gone')"))
    with pytest.raises(EnrolmentError, match="failed with status 1: RuntimeError: gone") as caught:
        await ChildKeys().create(tmp_path)
    assert caught.value.retryable


async def test_child_that_cannot_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_command", lambda mode, directory: (str(tmp_path / "missing"),))
    with pytest.raises(EnrolmentError, match="cannot start the key helper") as caught:
        await ChildKeys().create(tmp_path)
    assert caught.value.retryable


@pytest.mark.parametrize("end", ["hangs", "cancelled"])
async def test_child_that_hangs_or_is_not_wanted_any_more_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    code = f"import time; alive = open({str(fifo)!r}, 'w'); print('started', file=alive, flush=True); time.sleep(600)"
    monkeypatch.setattr(keys, "_command", lambda mode, directory: (sys.executable, "-c", code))
    call = asyncio.create_task(ChildKeys(timeout=3.0 if end == "hangs" else 60.0).create(tmp_path))
    # The pipe has an end when the child has: nobody else holds it.
    pipe = await asyncio.to_thread(fifo.open)
    with pipe:
        assert await asyncio.to_thread(pipe.readline) == "started\n"
        if end == "cancelled":
            call.cancel()
        with pytest.raises(EnrolmentError if end == "hangs" else asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(pipe.read) == ""


def test_long_lived_agent_does_not_load_the_library_that_makes_keys() -> None:
    code = (
        "import sys, agent.hubclient.enrol, agent.hubclient.identity, agent.hubclient.keys; "
        "sys.exit(any(name.startswith('cryptography') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


async def test_request_says_only_what_it_must(tmp_path: Path) -> None:
    request = x509.load_pem_x509_csr(await LocalKeys().create(tmp_path))
    assert request.subject.rfc4514_string() == "CN=escadre-agent"
    assert len(request.extensions) == 0
