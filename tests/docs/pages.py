"""Markdown, as far as the tests of the manual read it: pages, headings with their anchors, links and code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\w*)\s*$")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class Block:
    """Fenced code."""

    language: str
    text: str
    line: int
    """Of its first line of code, from 1."""


@dataclass(frozen=True, slots=True)
class Page:
    path: Path
    text: str
    prose: tuple[tuple[int, str], ...]
    """(line number from 1, line) of what is not fenced."""
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    def headings(self) -> list[str]:
        return [found[2] for _, line in self.prose if (found := _HEADING.match(line))]

    def anchors(self) -> set[str]:
        return {_anchor(heading) for heading in self.headings()}

    def links(self) -> Iterator[tuple[int, str]]:
        """Yield (line, target) of every link."""
        for number, line in self.prose:
            for target in _LINK.findall(_CODE.sub("", line)):
                yield number, target

    def code(self) -> Iterator[tuple[int, str]]:
        """Yield (line, text) of every piece of code within the prose."""
        for number, line in self.prose:
            for text in _CODE.findall(line):
                yield number, text


def read(path: Path) -> Page:
    text = path.read_text("utf-8")
    prose: list[tuple[int, str]] = []
    blocks: list[Block] = []
    fenced: list[str] | None = None
    language, begin = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if fenced is None and fence:
            fenced, language, begin = [], fence[1], number + 1
        elif fenced is not None and fence:
            blocks.append(Block(language, "\n".join(fenced), begin))
            fenced = None
        elif fenced is not None:
            fenced.append(line)
        else:
            prose.append((number, line))
    assert fenced is None, f"{path}: the code that begins in line {begin} has no end"
    return Page(path, text, tuple(prose), tuple(blocks))


def manual() -> list[Page]:
    """Return every page for readers: those of docs/ and those at the root."""
    return [read(path) for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")])]


def page(name: str) -> Page:
    return read(ROOT / name)


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
