"""The names that Kubernetes allows, told in words where one is broken."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DNS_LABEL = re.compile(_LABEL)
_QUALIFIED = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")

_LONGEST_NAME = 253
_LONGEST_LABEL = 63
_ANNOTATIONS_BYTES = 256 * 1024


def name_problem(name: str) -> str:
    """Say what is wrong with an object's name; nothing when it is good."""
    if len(name) <= _LONGEST_NAME and _SUBDOMAIN.fullmatch(name):
        return ""
    return (
        "is not a name: use lower case letters, digits, '-' and '.', beginning and ending with a letter or a digit, "
        f"at most {_LONGEST_NAME} characters"
    )


def namespace_problem(name: str) -> str:
    """Say what is wrong with a namespace's name."""
    if len(name) <= _LONGEST_LABEL and _DNS_LABEL.fullmatch(name):
        return ""
    return (
        "is not a namespace: use lower case letters, digits and '-', beginning and ending with a letter or a digit, "
        f"at most {_LONGEST_LABEL} characters"
    )


def label_key_problem(key: str) -> str:
    """Say what is wrong with the key of a label or annotation."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > _LONGEST_NAME or not _SUBDOMAIN.fullmatch(prefix)):
        return "is not a label key: what stands before '/' must be a domain name in lower case"
    if len(name) <= _LONGEST_LABEL and _QUALIFIED.fullmatch(name):
        return ""
    return (
        "is not a label key: use letters, digits, '-', '_' and '.', beginning and ending with a letter or a digit, "
        f"at most {_LONGEST_LABEL} characters"
    )


def label_value_problem(value: str) -> str:
    """Say what is wrong with a label's value."""
    if value == "" or (len(value) <= _LONGEST_LABEL and _QUALIFIED.fullmatch(value)):
        return ""
    return (
        "is not a label value: use letters, digits, '-', '_' and '.', beginning and ending with a letter or a digit, "
        f"at most {_LONGEST_LABEL} characters"
    )


def labels_problem(labels: Mapping[str, str]) -> str:
    """Say what is wrong with the first bad label."""
    for key, value in labels.items():
        if problem := label_key_problem(key) or label_value_problem(value):
            return f"[{key}] {problem}"
    return ""


def annotations_problem(annotations: Mapping[str, str]) -> str:
    """Say what is wrong with the first bad annotation, or with all of them together."""
    for key in annotations:
        if problem := label_key_problem(key.lower()):
            return f"[{key}] {problem}"
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATIONS_BYTES:
        return f"are more than {_ANNOTATIONS_BYTES // 1024} KiB together"
    return ""
