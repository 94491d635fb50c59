"""What can be done to a live object by name: restart, scale, suspend and the like.

A kind has the actions that are built in, by the names that Argo CD's users know, and those that the settings give it
in Lua (`resource.customizations.actions.<group>_<kind>`), which replace the built-in ones unless they are merged.

Everything here only says what would be changed: `discover` lists the actions of an object, `run` returns the objects
that are to be created or patched.
"""

from agent.engine.actions.model import Action, ActionError, Change, Moment, Operation, Parameter
from agent.engine.actions.resource import discover, run
from agent.engine.actions.settings import NO_CUSTOM_ACTIONS, CustomActions, custom_actions

__all__ = [
    "NO_CUSTOM_ACTIONS",
    "Action",
    "ActionError",
    "Change",
    "CustomActions",
    "Moment",
    "Operation",
    "Parameter",
    "custom_actions",
    "discover",
    "run",
]
