"""Where the keys are from that secrets are encrypted with, and that they change without a moment of blindness."""

from __future__ import annotations

import base64
import stat
import sys
from pathlib import Path

import pytest

from hub.pki.keysource import KeyCommand, KeyFile, new_key, parse_keys
from hub.pki.secretbox import KeyFileError, SecretBox, key_id


def line(key: bytes) -> str:
    return f"escadre-key-1:{base64.b64encode(key).decode()}\n"


def test_a_box_that_is_open_takes_up_what_another_process_has_put_there(tmp_path: Path) -> None:
    source = KeyFile(tmp_path / "secret.key")
    box = SecretBox.of(source)
    before = box.seal(b"x", "p")
    (old,), new = source.read(), new_key()
    source.replace([old, new])
    assert box.unseal(SecretBox(new).seal(b"y", "p"), "p") == b"y"
    assert box.seal(b"x", "p")[1:9].hex() == key_id(old), "the first is in use, not the newest"
    source.replace([new, old])
    sealed = box.seal(b"z", "p")
    assert sealed[1:9].hex() == key_id(new)
    assert box.unseal(before, "p") == b"x"
    assert box.ids == [key_id(new), key_id(old)]
    assert stat.S_IMODE(source.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_file_that_is_spoilt_under_way_is_told_and_nothing_is_sealed_with_what_was(tmp_path: Path) -> None:
    source = KeyFile(tmp_path / "secret.key")
    box = SecretBox.of(source)
    source.path.write_text("nonsense")
    with pytest.raises(KeyFileError, match="does not hold a key"):
        box.seal(b"x", "p")


def test_a_read_only_file_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = KeyFile(tmp_path / "secret.key")
    source.read()

    def refuse(*_: object) -> Path:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(KeyFileError, match="secret-key reseal"):
        source.replace([new_key()])


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "keys.py"
    path.write_text(text)
    return f"{sys.executable} {path} 'an argument'"


def test_a_command(tmp_path: Path) -> None:
    first, second = new_key(), new_key()
    (tmp_path / "keys").write_text(line(first))
    command = script(
        tmp_path,
        f"import sys; assert sys.argv[1:] == ['an argument']; print(open({str(tmp_path / 'keys')!r}).read())",
    )
    now = [0.0]
    box = SecretBox.of(KeyCommand(command), clock=lambda: now[0])
    sealed = box.seal(b"x", "p")
    (tmp_path / "keys").write_text(line(second) + line(first))
    foreign = SecretBox(second).seal(b"y", "p")
    assert box.unseal(foreign, "p") == b"y"
    assert box.unseal(sealed, "p") == b"x"
    # A key that nobody has is not asked for with every secret.
    other = SecretBox(new_key()).seal(b"z", "p")
    (tmp_path / "keys.py").unlink()
    with pytest.raises(KeyFileError, match="put the right key file back"):
        box.unseal(other, "p")
    now[0] = 61.0
    with pytest.raises(KeyFileError, match="exit code"):
        box.unseal(other, "p")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import sys; sys.exit(3)", "exit code 3"),
        ("print('something else')", "does not hold a key"),
        ("print('x' * 100_000)", "does not hold a key"),
    ],
)
def test_a_command_that_fails(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(KeyFileError, match=words):
        KeyCommand(script(tmp_path, text)).read()


@pytest.mark.parametrize(
    ("command", "words"), [("/none/there", "cannot be run"), ("'", "is no command"), (" ", "names no")]
)
def test_a_command_that_is_none(command: str, words: str) -> None:
    with pytest.raises(KeyFileError, match=words):
        KeyCommand(command).read()


def test_no_shell_sees_the_command(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        KeyCommand(f"/bin/echo $(touch {tmp_path}/touched); touch {tmp_path}/touched").read()
    assert not (tmp_path / "touched").exists()


def test_too_many_keys() -> None:
    with pytest.raises(KeyFileError, match="more than 8 keys"):
        parse_keys("".join(line(new_key()) for _ in range(9)).encode(), "the file")
