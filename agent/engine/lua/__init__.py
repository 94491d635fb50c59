"""Lua scripts that users write: Argo CD's health checks and resource actions, unchanged.

A script is given values and returns one. It reaches nothing else: no files, no processes, no modules, nothing of
Python, and it is stopped when it takes more than its time or its memory. The library is imported by the first script
that runs, for an agent without scripts has no memory to spare for it.
"""

from agent.engine.lua.sandbox import LuaError, Script

__all__ = ["LuaError", "Script"]
