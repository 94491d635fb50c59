"""Health as users say it, kind by kind: a Lua script as Argo CD runs it, or a CEL expression.

Both are given the object as `obj`. A script returns `{status = …, message = …}`; an expression gives such a map, or
the status alone. What gives nothing (nil, null, an empty table) says that the object has no health. Everything else,
a failure included, makes it Unknown, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from agent.engine.customizations import Patterns, patterns
from agent.engine.health.model import Health, HealthStatus, cut, unknown
from agent.engine.resource import Object

_MAX_MESSAGE: Final = 1000
_STATUSES: Final = frozenset(HealthStatus)
_CODE: Final = re.compile(r"--[^\n]*|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|(?P<lua>\b(?:return|function|local)\b)")
"""Words that Lua needs and CEL reserves, outside of texts and remarks."""

Judge = Callable[[Object], Health | None]


def from_lua(source: str, *, open_libs: bool = False) -> Judge:
    """Make a health check of a Lua script, unchanged from Argo CD's `health.lua`."""
    # Loaded where there is a script: most agents never see one, and each is counted by what it holds.
    from agent.engine.lua import LuaError, Script

    script = Script(source, open_libs)

    def judge(obj: Object) -> Health | None:
        try:
            return _read(script.run(obj=obj))
        except LuaError as error:
            return unknown(f"the health script cannot say: {error}")

    return judge


def from_cel(source: str) -> Judge:
    """Make a health check of a CEL expression."""
    from agent.engine.cel import CelError, Expression

    expression = Expression(source)

    def judge(obj: Object) -> Health | None:
        try:
            return _read(expression.run(obj))
        except CelError as error:
            return unknown(f"the health expression cannot say: {error}")

    return judge


def from_text(source: str, *, open_libs: bool = False) -> Judge:
    """Make a health check of a text that is Lua or CEL, as its words say."""
    return from_lua(source, open_libs=open_libs) if is_lua(source) else from_cel(source)


def is_lua(source: str) -> bool:
    return any(found["lua"] for found in _CODE.finditer(source))


def _read(value: Any) -> Health | None:
    """Read what a script or expression gave."""
    if value is None or value == [] or value == {}:
        return None
    if isinstance(value, str):
        value = {"status": value}
    if not isinstance(value, dict):
        return unknown(f"the health check gave a {type(value).__name__}, not a status and a message")
    status, message = value.get("status"), value.get("message")
    if not isinstance(message, str | None):
        return unknown(f"the health check gave a message that is a {type(message).__name__}, not a text")
    if not isinstance(status, str) or status not in _STATUSES:
        given = f"the status {cut(status, 60)!r}" if isinstance(status, str) and status else "no status"
        return unknown(f"the health check gave {given}; it has to be one of {', '.join(HealthStatus)}")
    return Health(HealthStatus(status), cut(message or "", _MAX_MESSAGE))


Overrides = Patterns[Judge]
"""Health checks by kind."""

NO_OVERRIDES: Final[Overrides] = patterns([])
