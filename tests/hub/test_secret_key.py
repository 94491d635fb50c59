"""Another key for all secrets, while a hub runs, and whenever whoever does it is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hub import offline
from hub.__main__ import cli
from hub.config import Settings
from hub.domain.repository import Credentials, Repository
from hub.errors import Invalid
from hub.pki.authority import PublicKeyInfrastructure
from hub.pki.contract import PkiSettings
from hub.pki.keysource import KeyFile, new_key
from hub.pki.secretbox import SecretBox
from hub.server import now
from hub.source.entries import RepositoryEntries
from hub.source.vault import seal_entry
from hub.store.contract import Store
from hub.store.factory import open_store
from tests.pki.test_keysource import line, script

URL = "https://git.example.com/x"


class Killed(Exception):
    pass


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """A hub that has run: with an authority, and a repository."""
    settings = Settings.model_validate({"data_dir": tmp_path})
    store, bus = await open_store(data_dir=tmp_path)
    box = SecretBox.open(tmp_path / "secret.key")
    await PublicKeyInfrastructure(store, box, now, PkiSettings()).start()
    await store.put_entries([seal_entry(Repository(URL, credentials=Credentials(password="s3cret")), box)])
    await bus.close()
    await store.close()
    return settings


async def readable(settings: Settings, box: SecretBox | None = None) -> bool:
    """Whether everything can be read: the authorities' keys and the repository."""
    box = box or SecretBox.open(settings.data_dir / "secret.key")
    async with offline.opened(settings) as store:
        return await _readable(store, box)


async def _readable(store: Store, box: SecretBox) -> bool:
    pki = PublicKeyInfrastructure(store, box, now, PkiSettings())
    await pki.reload()
    entries = RepositoryEntries(store, box)
    await entries.reload()
    return len(pki.describe()) == 2 and entries.access(URL, "").credentials.password == "s3cret"


async def test_rotating_and_forgetting(settings: Settings) -> None:
    path = settings.data_dir / "secret.key"
    running = SecretBox.open(path)
    (first,) = await offline.key_ids(settings)
    assert await offline.rotate_key(settings) == 3
    second, old = await offline.key_ids(settings)
    assert (old, second != first) == (first, True)
    assert await readable(settings)
    assert await readable(settings, running), "a running hub finds the new key by itself"
    assert running.seal(b"x", "p")[1:9].hex() == second
    assert await offline.forget_keys(settings) == 1
    assert await offline.key_ids(settings) == [second]
    assert await readable(settings)
    only = SecretBox(KeyFile(path).read()[0])
    assert await readable(settings, only)


@pytest.mark.parametrize("at", ["before the secrets", "in the middle of the secrets", "before the file"])
async def test_killed_at_each_step(settings: Settings, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    calls = 0

    def dying(self: object, *given: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        return real(self, *given)  # type: ignore[operator]

    with monkeypatch.context() as patched:
        if at == "before the secrets":

            async def die(*_: object) -> int:
                raise Killed

            patched.setattr(offline, "_reseal", die)
        elif at == "in the middle of the secrets":
            real: object = SecretBox.reseal
            patched.setattr(SecretBox, "reseal", dying)
        else:
            real = KeyFile.replace
            patched.setattr(KeyFile, "replace", dying)
        with pytest.raises(Killed):
            await offline.rotate_key(settings)
    assert await readable(settings)
    assert await offline.rotate_key(settings) == 3
    assert await readable(settings)
    await offline.forget_keys(settings)
    assert await readable(settings)


async def test_forgetting_reads_what_was_written_with_an_old_key_meanwhile(settings: Settings) -> None:
    old = SecretBox(KeyFile(settings.data_dir / "secret.key").read()[0])
    await offline.rotate_key(settings)
    other = "https://git.example.com/late"
    async with offline.opened(settings) as store:
        await store.put_entries([seal_entry(Repository(other, credentials=Credentials(password="late")), old)])
    await offline.forget_keys(settings)
    async with offline.opened(settings) as store:
        entries = RepositoryEntries(store, SecretBox.open(settings.data_dir / "secret.key"))
        await entries.reload()
        assert entries.access(other, "").credentials.password == "late"


async def test_keys_of_a_command(settings: Settings, tmp_path: Path) -> None:
    (old,), new = KeyFile(tmp_path / "secret.key").read(), new_key()
    given = tmp_path / "given"
    given.write_text(line(new) + line(old))
    command = script(tmp_path, f"print(open({str(given)!r}).read())")
    (tmp_path / "secret.key").unlink()
    by_command = Settings.model_validate({"data_dir": tmp_path, "secret_key_command": command})
    with pytest.raises(Invalid, match="secret-key reseal"):
        await offline.rotate_key(by_command)
    with pytest.raises(Invalid, match="secret-key reseal"):
        await offline.forget_keys(by_command)
    assert await offline.reseal(by_command) == 3
    assert await readable(by_command, SecretBox(new))
    assert not (tmp_path / "secret.key").exists()


def test_as_an_operator_does(tmp_path: Path) -> None:
    run = CliRunner()
    refused = run.invoke(cli, ["secret-key", "rotate", "--data-dir", str(tmp_path)])
    assert refused.exit_code == 1
    assert "missing" in refused.output
    KeyFile(tmp_path / "secret.key").read()
    shown = run.invoke(cli, ["secret-key", "list", "--data-dir", str(tmp_path)])
    assert shown.output.endswith("in use\n")
