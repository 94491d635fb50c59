"""Label selectors, with Kubernetes' semantics and `kubectl -l`'s spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hub.domain.names import label_key_problem, label_value_problem


class Operator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                # As in Kubernetes, an absent label is not in the set.
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels

    def __str__(self) -> str:
        match self.operator:
            case Operator.IN:
                return f"{self.key} in ({','.join(self.values)})"
            case Operator.NOT_IN:
                return f"{self.key} notin ({','.join(self.values)})"
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All parts must match; an empty selector matches everything."""

    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(k) == v for k, v in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )

    @property
    def identity(self) -> tuple[object, ...]:
        """A hashable value that equal selectors share."""
        return (tuple(sorted(self.match_labels.items())), self.match_expressions)

    def __str__(self) -> str:
        """The selector as `parse_selector` reads it."""
        return ",".join([*(f"{k}={v}" for k, v in self.match_labels.items()), *map(str, self.match_expressions)])


_SET = re.compile(r"(?P<key>\S+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUALITY = re.compile(r"(?P<key>[^\s=!<>()]+)\s*(?P<operator>!=|==?)\s*(?P<value>[^\s=!<>()]*)")
_EXISTENCE = re.compile(r"(?P<absent>!?)\s*(?P<key>[^\s=!<>()]+)")
_LONGEST = 4096


def parse_selector(text: str) -> LabelSelector:
    """Read a selector as `kubectl -l` takes it: "region=eu,tier in (a,b),team!=x,canary,!old". Empty selects all.

    Raises ValueError with words for the one who typed it.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"the selector is longer than {_LONGEST:,} characters")
    labels: dict[str, str] = {}
    requirements: list[Requirement] = []
    for term in _terms(text):
        requirement, equality = _parse_term(term)
        if equality and labels.setdefault(requirement.key, requirement.values[0]) == requirement.values[0]:
            continue
        requirements.append(requirement)
    return LabelSelector(labels, tuple(requirements))


def _terms(text: str) -> list[str]:
    """Split at the commas outside of parentheses."""
    if not text.strip():
        return []
    return [term.strip() for term in re.split(r",(?![^()]*\))", text)]


def _parse_term(term: str) -> tuple[Requirement, bool]:
    """Return a term's requirement, and whether it is plain equality."""
    if found := _SET.fullmatch(term):
        values = tuple(value.strip() for value in found["values"].split(","))
        operator = Operator.IN if found["operator"] == "in" else Operator.NOT_IN
        return _checked(Requirement(found["key"], operator, values)), False
    if found := _EQUALITY.fullmatch(term):
        equal = found["operator"] != "!="
        operator = Operator.IN if equal else Operator.NOT_IN
        return _checked(Requirement(found["key"], operator, (found["value"],))), equal
    if found := _EXISTENCE.fullmatch(term):
        operator = Operator.DOES_NOT_EXIST if found["absent"] else Operator.EXISTS
        return _checked(Requirement(found["key"], operator)), False
    raise ValueError(
        f"{term[:70]!r} is not part of a label selector: write key=value, key!=value, key in (a,b), key notin (a,b), "
        "key or !key, separated by commas"
    )


def _checked(requirement: Requirement) -> Requirement:
    if problem := label_key_problem(requirement.key):
        raise ValueError(f"{requirement.key[:70]!r} {problem}")
    for value in requirement.values:
        if problem := label_value_problem(value):
            raise ValueError(f"{value[:70]!r} {problem}")
    return requirement
