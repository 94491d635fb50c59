"""A chart's files as Helm takes them from memory: an archive, without what `.helmignore` leaves out.

Nothing of a render touches a disk that way, which takes longer than the render. Helm itself reads `.helmignore` only
where it finds a chart in a directory; the rules are its own: shell patterns of one directory each, `!` that leaves out
all that does not match, and hidden files of `templates/` left out always.
"""

from __future__ import annotations

import functools
import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable

from hub.render.errors import RenderError

IGNORE_FILE = ".helmignore"
MOST_BYTES = 100 * 1024 * 1024
"""Helm takes no larger chart."""
_MARK = "\ufeff"
_END = bytes(2 * tarfile.BLOCKSIZE)
_MOST_RULES = 1000
_SET = re.compile(r"\^?(?:\\.|[^\\\]])+\]", re.DOTALL)

Rule = Callable[[str, bool], bool | None]
"""(path, whether it is a directory) → whether it is left out; None: the rule does not say."""


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the members of an archive, to be joined with others and `finished`."""
    parts: list[bytes] = []
    for path, content in files:
        # The first directory's name says nothing to Helm.
        info = tarfile.TarInfo(f"chart/{path}")
        info.size = len(content)
        parts += (info.tobuf(tarfile.GNU_FORMAT), content, bytes(-len(content) % tarfile.BLOCKSIZE))
    return b"".join(parts)


def finished(*members: bytes) -> bytes:
    """Return the archive, in gzip's form, for Helm takes no other; packing it would only cost time."""
    stream = zlib.compressobj(level=0, wbits=31)
    return b"".join((*map(stream.compress, members), stream.compress(_END), stream.flush()))


def can_be_packed(paths: Iterable[str]) -> bool:
    """Whether Helm takes all of these names from an archive: it has a way of its own with backslashes."""
    return not any("\\" in path or re.match(r"[A-Za-z]:/", path) for path in paths)


def kept(paths: Iterable[str], rules: str) -> list[str]:
    """Return the paths that the text of a `.helmignore` leaves. Raises RenderError."""
    parsed = [rule for line in io.StringIO(rules.removeprefix(_MARK)) if (rule := _rule(line.strip())) is not None]
    if len(parsed) > _MOST_RULES:
        raise RenderError(f"{IGNORE_FILE} has more than {_MOST_RULES:,} rules.", code="too-large")
    parsed.append(_matcher("templates/.?*", False, False))

    @functools.cache
    def is_ignored(path: str, is_directory: bool) -> bool:
        above = path.rpartition("/")[0]
        return (bool(above) and is_ignored(above, True)) or any(
            answer for rule in parsed if (answer := rule(path, is_directory)) is not None
        )

    return [path for path in paths if not is_ignored(path, False)]


def _rule(line: str) -> Rule | None:
    if not line or line.startswith("#"):
        return None
    if "**" in line:
        raise RenderError(
            f"{IGNORE_FILE}: {line[:100]!r} has two stars, which Helm does not take.", code="invalid-source"
        )
    pattern = line.removeprefix("!")
    return _matcher(pattern.removesuffix("/"), line.startswith("!"), pattern.endswith("/"))


def _matcher(pattern: str, negated: bool, directory: bool) -> Rule:
    try:
        regex = re.compile(_regex(pattern.removeprefix("/")), re.DOTALL)
    except re.error as error:
        raise RenderError(f"{IGNORE_FILE}: {pattern[:100]!r} is no pattern.", code="invalid-source") from error
    whole = "/" in pattern

    def rule(path: str, is_directory: bool) -> bool | None:
        if directory and not is_directory:
            return True if negated else None
        matches = regex.fullmatch(path if whole else path.rpartition("/")[2]) is not None
        if negated:
            return None if matches else True
        return True if matches else None

    return rule


def _regex(pattern: str) -> str:
    """Translate a pattern of Go's filepath.Match; nothing is tried twice, as in `hub.render.globs`.

    Raises RenderError."""
    pieces, position = [""], 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += "[^/]"
        elif character == "[":
            end = _SET.match(pattern, position)
            if end is None:
                raise RenderError(f"{IGNORE_FILE}: {pattern[:100]!r} is no pattern.", code="invalid-source")
            pieces[-1] += "(?!/)[" + re.sub(r"(?<!\\)([\[&~|])", r"\\\1", end[0])
            position = end.end()
        else:
            if character == "\\" and position < len(pattern):
                character = pattern[position]
                position += 1
            pieces[-1] += re.escape(character)
    first, *rest = pieces
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle if piece) + "[^/]*" + last
