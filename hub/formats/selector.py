"""Label selectors in objects (`matchLabels`, `matchExpressions`) ⇄ hub.domain.selector."""

from __future__ import annotations

from typing import Any

from hub.domain.names import label_key_problem, label_value_problem, labels_problem
from hub.domain.selector import LabelSelector, Operator, Requirement
from hub.formats.errors import shown
from hub.formats.fields import Fields, described


def read_selector(fields: Fields) -> LabelSelector:
    """Read a selector; an empty one selects everything, as in Kubernetes. So a key it does not have is an error
    and no warning: labels written where matchLabels should stand would select the whole fleet."""
    for key in fields.value:
        if key not in ("matchLabels", "matchExpressions"):
            fields.fail(shown(key), "is not part of a selector: write labels under matchLabels")
            fields.get(key)
    labels = fields.text_map("matchLabels")
    if problem := labels_problem(labels):
        fields.fail("matchLabels", problem)
    requirements = [_read_requirement(child) for child in fields.children("matchExpressions")]
    fields.finish()
    return LabelSelector(labels, tuple(r for r in requirements if r is not None))


def write_selector(selector: LabelSelector) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if selector.match_labels:
        result["matchLabels"] = dict(selector.match_labels)
    if selector.match_expressions:
        result["matchExpressions"] = [_write_requirement(r) for r in selector.match_expressions]
    return result


def _read_requirement(fields: Fields) -> Requirement | None:
    key = fields.required("key")
    word = fields.text("operator")
    values = fields.texts("values")
    fields.finish()
    if not key:
        return None
    if problem := label_key_problem(key):
        fields.fail("key", f"{shown(key)!r} {problem}")
    try:
        operator = Operator(word)
    except ValueError:
        fields.fail("operator", f"is {described(word)}, but one of {', '.join(Operator)} is wanted")
        return None
    if operator in (Operator.IN, Operator.NOT_IN):
        if not values:
            fields.fail("values", f"is empty, but {operator} needs values to compare with")
        for value in values:
            if problem := label_value_problem(value):
                fields.fail("values", f"holds {shown(value)!r}, which {problem}")
    elif values:
        fields.fail("values", f"is given, but {operator} looks at the key alone")
    return Requirement(key, operator, values)


def _write_requirement(requirement: Requirement) -> dict[str, Any]:
    result: dict[str, Any] = {"key": requirement.key, "operator": str(requirement.operator)}
    if requirement.values:
        result["values"] = list(requirement.values)
    return result
