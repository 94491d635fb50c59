"""What is shown while something goes on: redrawn on a terminal, line by line elsewhere."""

from __future__ import annotations

import io

import pytest

from hub.cli.live import Display, Line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_a_line_for_each_news(capsys: pytest.CaptureFixture[str]) -> None:
    with Display("sync of web") as display:
        display.update([Line("a", "Waiting"), Line("b", "Running", "1 of 2")])
        display.update([Line("a", "Waiting"), Line("b", "Running", "2 of 2")])
        display.update([Line("a", "Succeeded", is_over=True), Line("b", "Running", "2 of 2")])
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == (
        "",
        ["a: Waiting", "b: Running: 1 of 2", "b: Running: 2 of 2", "a: Succeeded"],
    )


def drawn(monkeypatch: pytest.MonkeyPatch, lines: list[Line], note: str = "", **environ: str) -> str:
    for name, value in {"TERM": "xterm", "COLUMNS": "100", **environ}.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Display("sync of web") as display:
        display.update(lines, note)
    return terminal.getvalue()


def test_on_a_terminal_what_goes_on_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    done = [Line(f"done-{n}", "Succeeded", is_over=True) for n in range(30)]
    text = drawn(monkeypatch, [*done, Line("late", "Running", "1 of 2")], "the hub says something")
    assert "sync of web: 30 of 31 clusters; the hub says something" in text
    assert text.index("late") < text.index("done-0")
    assert "and 11 more" in text
    assert "done-29" not in text


def test_on_a_terminal_nothing_of_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, [Line("a", "Running")])
    assert text.rstrip().endswith("\x1b[2K")
    assert text.count("\x1b[?25h") == text.count("\x1b[?25l") == 1, "the cursor comes back"


def test_without_colours_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[31m" in drawn(monkeypatch, [Line("a", "Failed")])
    assert "\x1b[31m" not in drawn(monkeypatch, [Line("a", "Failed")], NO_COLOR="1")


def test_text_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, [Line("a\x1b[5m", "Running", "[bold]b[/bold]\x1b]0;x\x07")], "c\x1b[6m")
    assert not any(sequence in text for sequence in ("\x1b[5m", "\x1b[6m", "\x1b]0;", "\x07"))
    assert "[bold]b[/bold]" in text


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, [Line("a", "Running")], TERM="dumb") == "a: Running\n"
