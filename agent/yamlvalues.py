"""Reading YAML that somebody wrote: kubeconfigs, and what is inside of settings.

The library is loaded when there is something to read. An agent in its cluster, with no settings, does without.
"""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 60


class YamlError(ValueError):
    """A text is no YAML, or nested too deeply. `line` counts from 1; 0 where it is not known."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.problem = problem
        self.line = line


def read_yaml(text: str, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return what a text says, None where it says nothing. Raises YamlError."""
    import yaml

    loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        # libyaml's constructor recurses in C and a deeply nested text would end the process; its event stream does not.
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > max_depth:
                raise YamlError(f"nested deeper than {max_depth} levels")
        return loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise YamlError(f"is not YAML: {error.problem or error.context}", line) from error
    except YamlError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError("is not YAML") from error
