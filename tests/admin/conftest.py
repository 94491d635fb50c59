from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Terminal


@pytest.fixture
def escadre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The program escadre, for somebody who knows no hub, in a folder of his own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return Terminal(home)
