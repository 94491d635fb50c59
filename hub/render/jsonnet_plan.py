"""Which files Jsonnet reads: those that are evaluated, and all that their imports lead to.

What an import names is a literal in Jsonnet, so that it can be read off the text. More may be found than is ever
evaluated, in comments say: then a file more is an input. Where each import leads is decided here, over the commit; a
worker has no paths to search.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hub.domain.application import JsonnetOptions
from hub.render.errors import RenderError
from hub.render.model import File, JsonnetPlan, RenderLimits
from hub.render.paths import RepositoryView, normalized

SUFFIX = ".jsonnet"

_SPACE = r"(?:\s|//[^\n]*+|\#[^\n]*+|/\*.*?\*/)*+"
_STRING = r"""(?P<string>@"(?:[^"]|"")*+"|@'(?:[^']|'')*+'|"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')"""
_IMPORT = re.compile(rf"\bimport(?:str|bin)?\b{_SPACE}{_STRING}", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_BUNDLE_FILE = "jsonnetfile.json"
_VENDOR = "vendor"
_MOST_IMPORTS = 100_000


def planned(
    evaluated: tuple[File, ...], view: RepositoryView, directory: str, options: JsonnetOptions, limits: RenderLimits
) -> JsonnetPlan:
    """Return what is read beyond the evaluated files, which lie in or below a directory. Raises RenderError."""
    search = _search_path(view, directory, options)
    files: dict[str, File] = {}
    leads: dict[tuple[str, str], str] = {}
    queue = list(evaluated)
    for file in queue:
        text = view.read(file.path, limits.file_bytes).decode(errors="replace")
        place = _directory_of(file.path)
        for name in dict.fromkeys(imported(text)):
            if (place, name) in leads:
                continue
            found = _resolved(view, (place, *search), name)
            if found is None:
                continue
            leads[place, name] = found.path
            if found.path not in files:
                files[found.path] = found
                queue.append(found)
            if len(files) > limits.files or len(leads) > _MOST_IMPORTS:
                raise RenderError(
                    f"The Jsonnet in {directory or 'the root'} imports more than {limits.files:,} files.",
                    code="too-large",
                )
    return JsonnetPlan(
        options,
        tuple(sorted(files.values(), key=lambda file: file.path)),
        tuple((place, name, path) for (place, name), path in sorted(leads.items())),
    )


def imported(text: str) -> Iterator[str]:
    """Yield the names of all imports of a text, and maybe of some that are none."""
    for match in _IMPORT.finditer(text):
        yield _unquoted(match["string"])


def _unquoted(string: str) -> str:
    if string.startswith("@"):
        quote = string[1]
        return string[2:-1].replace(quote * 2, quote)
    text = _ESCAPE.sub(_unescaped, string[1:-1])
    # What is beyond 16 bits is escaped as two halves.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescaped(match: re.Match[str]) -> str:
    escaped = match[1]
    return chr(int(escaped[1:], 16)) if len(escaped) > 1 else _ESCAPES.get(escaped, escaped)


def _search_path(view: RepositoryView, directory: str, options: JsonnetOptions) -> list[str]:
    """Return the directories that are looked in after the importing file's own, as in Argo CD: the libraries, the last
    one first, then the source's own. After these comes what jsonnet-bundler has brought, of the nearest first."""
    found = [normalized(lib) for lib in reversed(options.libs)] + [directory]
    found += [
        normalized(f"{above}/{_VENDOR}")
        for above in _upwards(directory)
        if view.file(normalized(f"{above}/{_BUNDLE_FILE}")) is not None
    ]
    return list(dict.fromkeys(found))


def _resolved(view: RepositoryView, places: tuple[str, ...], name: str) -> File | None:
    """Return the file that an import means; None where there is none, or none that may be read."""
    if name.startswith("/"):
        return None
    for place in places:
        try:
            file = view.file(f"{place}/{name}")
        except RenderError:
            # It leads out of the repository. It may stand in a comment: it fails where it is evaluated.
            continue
        if file is not None:
            return file
    return None


def _directory_of(path: str) -> str:
    return path.rpartition("/")[0]


def _upwards(directory: str) -> Iterator[str]:
    """Yield "a/b", "a", "" for "a/b"."""
    while directory:
        yield directory
        directory = _directory_of(directory)
    yield ""
