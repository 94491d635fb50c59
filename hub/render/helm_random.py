"""Finds charts that come out differently each time: with passwords, keys and dates that templates make up.

Of such a chart nothing can be said by its input, and whatever has it rendered anew changes what is on the clusters. So
where templates name such a function the chart is rendered a second time, and what differs is told by its template.
Dates, which two renders at one moment agree on, are told by a render in which it is another day.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from hub.render.helm_archive import MOST_BYTES, finished, pack

_MADE_UP = (
    *("randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes", "randInt", "shuffle", "uuidv4"),
    *("genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert"),
    *("genSignedCertWithKey", "htpasswd", "bcrypt", "encryptAES"),
)
_DATED = ("now", "ago")
_FUNCTION = re.compile(rb"(?<![\w.$\"'`-])(" + "|".join((*_MADE_UP, *_DATED)).encode() + rb")(?![\w\"'`-])")
_NOW = re.compile(rb"(?<![\w.$\"'`-])now(?![\w\"'`-])")
_AGO = re.compile(rb"(?<![\w.$\"'`-])ago(?![\w\"'`-])")
_SHOWN = 5

Render = Callable[[bytes], Mapping[str, str]]
"""An archive → name → text of what its templates give. Raises what rendering raises."""
Functions = Mapping[str, frozenset[str]]
"""Path → the functions that are named in it."""


def named(files: Iterable[tuple[str, bytes]]) -> dict[str, frozenset[str]]:
    """Return which of a chart's files, those of archived subcharts among them, name functions that make things up."""
    found = {}
    for path, content in _unpacked(files):
        # What is between braces; a search for both ends would look through the rest of the file for every first.
        actions = (text.partition(b"}}")[0] for text in content.split(b"{{")[1:])
        names = {match[1].decode() for action in actions for match in _FUNCTION.finditer(action)}
        if names:
            found[path] = frozenset(names)
    return found


def unstable(archive: bytes, functions: Functions, first: Mapping[str, str], render: Render) -> tuple[str, ...]:
    """Return the templates that come out differently, of a chart that came out as `first`, each with the functions
    that are to blame."""
    differing = _differing(first, render(archive))
    if not frozenset(_DATED).isdisjoint(frozenset().union(*functions.values())):
        differing |= _differing(first, render(_another_day(archive)))
    everywhere = sorted(frozenset().union(*functions.values()))
    told = []
    for name in sorted(differing):
        # A template is named with its chart, a file without; a helper may be in any file.
        own = functions.get(name.partition("/")[2])
        told.append(f"{name} ({', '.join(sorted(own or everywhere))})")
    return tuple(told)


def warning(where: str, told: tuple[str, ...]) -> str:
    shown = ", ".join(told[:_SHOWN]) + (f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else "")
    return (
        f"RenderWarning: {where} is never stable: each render makes up {shown} anew, so that a hard refresh, or a "
        "commit to the chart or its values, changes it on the clusters. Take such values from a Secret that is made "
        "elsewhere; the annotation escadre.io/helm-random: frozen keeps what was first rendered of an input."
    )


def _differing(first: Mapping[str, str], second: Mapping[str, str]) -> set[str]:
    return {name for name, text in first.items() if second.get(name) != text}


def _another_day(archive: bytes) -> bytes:
    """Return the archive with templates for which it is another day."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
        files = [(m.name.partition("/")[2], members.extractfile(m)) for m in members]
        return finished(pack((path, _dated(path, file.read())) for path, file in files if file is not None))


def _dated(path: str, content: bytes) -> bytes:
    if "templates/" not in path:
        return content

    first, *rest = content.split(b"{{")
    changed = [first]
    for part in rest:
        action, end, after = part.partition(b"}}")
        action = _AGO.sub(b"toString", _NOW.sub(b'(toDate "2006-01-02" "2001-02-03")', action))
        changed.append(action + end + after)
    return b"{{".join(changed)


def _unpacked(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    left = MOST_BYTES
    for path, content in files:
        if not path.endswith(".tgz"):
            yield path, content
            continue
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r|gz") as members:
                for member in members:
                    left -= member.size
                    if left < 0:
                        # Helm takes it no more than this does.
                        break
                    file = members.extractfile(member) if member.isfile() else None
                    if file is not None:
                        yield f"{path}/{member.name}", file.read()
        except (tarfile.TarError, OSError, EOFError, zlib.error):
            # Helm says what is wrong with it.
            continue
