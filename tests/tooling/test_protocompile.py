from __future__ import annotations

from pathlib import Path

import pytest

from tests.protocompile import PROTO, CompileError, drift, generate

CONTRACT = """\
syntax = "proto3";
package sample;
message Word { string text = 1; }
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "sample"
    path.mkdir(parents=True)
    (path / "word.proto").write_text(CONTRACT)
    return path.parent


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.mkdir()
    return path


def test_the_same_contract_gives_the_same_code(source: Path, target: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    generate(source, target)
    generate(source, again)
    names = sorted(path.name for path in target.rglob("*.py*"))
    assert names == ["word_pb2.py", "word_pb2.pyi", "word_pb2_grpc.py"]
    assert drift(target, again) == []


def test_what_differs_is_named(source: Path, target: Path, tmp_path: Path) -> None:
    committed = tmp_path / "committed"
    committed.mkdir()
    generate(source, committed)
    (source / "sample" / "word.proto").write_text(CONTRACT.replace("text = 1", "text = 2"))
    (source / "sample" / "new.proto").write_text(CONTRACT.replace("Word", "New"))
    generate(source, target)
    (committed / "sample" / "old_pb2.py").touch()
    told = drift(committed, target)
    assert "sample/word_pb2.py: is not what its .proto generates" in told
    assert "sample/new_pb2.py: is missing" in told
    assert "sample/old_pb2.py: has no .proto any more" in told


def test_a_contract_that_is_wrong_is_an_error(source: Path, target: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (source / "sample" / "word.proto").write_text("message {")
    with pytest.raises(CompileError, match=r"word\.proto"):
        generate(source, target)
    assert "word.proto" in capfd.readouterr().err


def test_the_committed_code_is_the_contracts(target: Path) -> None:
    generate(PROTO, target)
    assert drift(PROTO, target) == [], "run `make proto`"
