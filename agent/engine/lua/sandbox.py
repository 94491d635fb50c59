"""Running one script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from agent.engine.lua.prelude import PRELUDE, TIME_IS_OVER
from agent.engine.lua.values import NoJson, Reader, to_lua

SECONDS: Final = 1.0
"""Of the processor, that a script may use."""

MEMORY: Final = 48 * 1024 * 1024
"""Bytes that a script and the values it is given may take."""

MAX_SOURCE: Final = 256 * 1024
MAX_STRIKES: Final = 3
_MAX_MESSAGE: Final = 500
_PLACE: Final = re.compile(r"script:(\d+): ")
_OWN_PLACE: Final = re.compile(r'\[string "[^"]*"\]:\d+: ')
_NO_MEMORY: Final = "not enough memory"
_NEWER: Final = re.compile(r"\bgoto\b|::")


class LuaError(Exception):
    """A script did not come to a result; the message says why, for whoever wrote it."""


@dataclass(slots=True)
class Script:
    """A script, and how often it had to be stopped.

    One that runs out of time holds up everything else for as long, so after `MAX_STRIKES` it is not run any more.
    """

    source: str
    open_libs: bool = False
    """Whether it may use coroutines too; nothing that reaches outside is ever open."""
    _strikes: int = field(default=0, init=False)

    def run(self, **given: Any) -> Any:
        """Run the script with JSON values as its globals and return the JSON value it returns.

        An empty table comes back as an empty list, and nothing as None. Raises LuaError.
        """
        if self._strikes >= MAX_STRIKES:
            raise LuaError(f"the script is not run any more: it was stopped {MAX_STRIKES} times, each after 1 s")
        if len(self.source) > MAX_SOURCE:
            raise LuaError(f"the script is longer than {MAX_SOURCE:,} characters")
        if self.source.startswith("\x1b"):
            raise LuaError("the script is compiled; give its source")
        try:
            return self._run(given)
        except _OutOfTime:
            self._strikes += 1
            raise LuaError(f"the script was stopped: it ran for more than {SECONDS:g} s") from None

    def _run(self, given: Mapping[str, Any]) -> Any:
        import lupa.lua51

        outcome = _attempt(lupa.lua51, self, given)
        if outcome[0] == "syntax" and _NEWER.search(self.source):
            # Argo CD's Lua is 5.1 with the goto of 5.2.
            import lupa.lua52

            outcome = _attempt(lupa.lua52, self, given)
        verdict, value = outcome
        if verdict == "ok":
            return value
        if TIME_IS_OVER in value:
            raise _OutOfTime
        raise LuaError(
            _cut(
                ("the script is not Lua: " if verdict == "syntax" else "")
                + _PLACE.sub(r"line \1: ", _OWN_PLACE.sub("", value))
            )
        )


class _OutOfTime(Exception):
    pass


def _attempt(lua: Any, script: Script, given: Mapping[str, Any]) -> tuple[str, Any]:
    """Run a script by one implementation of Lua; returns "ok" with its result, or "syntax" or "error" with a reason."""
    try:
        runtime = lua.LuaRuntime(
            register_eval=False, register_builtins=False, attribute_filter=_refuse, max_memory=MEMORY
        )
        values = runtime.table_from({name: to_lua(value) for name, value in given.items()}, recursive=True)
        returned = runtime.execute(PRELUDE, SECONDS, script.open_libs, TIME_IS_OVER)(script.source, values)
        verdict, value = returned if isinstance(returned, tuple) else (returned, None)
        if verdict == "error" and value.endswith(_NO_MEMORY):
            raise lua.LuaMemoryError
        return verdict, Reader(lua.lua_type).read(value) if verdict == "ok" else value
    except lua.LuaMemoryError:
        return "error", f"the script takes more than {MEMORY // 1024 // 1024} MB"
    except NoJson as problem:
        raise LuaError(f"what the script is given or returns {problem}") from None
    except UnicodeError:
        raise LuaError("the script holds or returns a text that is not UTF-8") from None
    except lua.LuaError as error:
        return "error", str(error)
    except RecursionError:
        raise LuaError("what the script is given is nested too deep") from None


def _refuse(obj: Any, name: Any, setting: bool) -> NoReturn:
    """No value of Python's ever gets into a script; would one, it is of no use there."""
    raise AttributeError("a script has no access to Python")


def _cut(text: str) -> str:
    text = text.replace("\x00", "")
    return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "…"
