"""The pages as such: links lead somewhere, examples are what the programs take."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from hub.config import Settings
from hub.formats.objects import parse_objects
from hub.formats.settings import is_settings
from hub.formats.yaml import load_documents
from tests.docs.commands import problem
from tests.docs.pages import ROOT, Block, Page, manual, read

PAGES = manual()
_OURS = re.compile(r"(escadre|escadre-hub|escadre-agent)(?=\s|$)")
_MAKE = re.compile(r"make ([a-z-]+)")


def blocks(language: str) -> Iterator[tuple[Page, Block]]:
    return ((page, block) for page in PAGES for block in page.blocks if block.language == language)


def where(page: Page, line: int) -> str:
    return f"{page.name}, line {line}"


def logical_lines(block: Block) -> Iterator[tuple[int, str]]:
    """Yield (line, text), with continued lines joined and a prompt taken away."""
    joined, begin = "", 0
    for number, line in enumerate(block.text.splitlines(), block.line):
        begin = begin or number
        joined += line.strip().removeprefix("$ ")
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        yield begin, joined
        joined, begin = "", 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    broken = []
    for line, target in page.links():
        parts = urlsplit(target)
        if parts.scheme:
            continue
        path = (page.path.parent / parts.path).resolve() if parts.path else page.path
        if not path.exists():
            broken.append(f"{where(page, line)}: {target} is not there")
        elif parts.fragment and parts.fragment not in read(path).anchors():
            broken.append(f"{where(page, line)}: {path.name} has no heading {parts.fragment!r}")
    assert not broken, "\n".join(broken)


def test_every_page_can_be_found_from_the_readme() -> None:
    linked = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path not in linked and path.suffix == ".md" and path.exists():
            linked.add(path)
            page = read(path)
            targets = (urlsplit(target) for _, target in page.links())
            waiting += [(path.parent / t.path).resolve() for t in targets if not t.scheme and t.path]
    assert {page.path for page in PAGES} == linked


def test_commands_of_examples_are_there() -> None:
    wrong = []
    for page, block in blocks(""):
        for line, text in logical_lines(block):
            if _OURS.match(text) and (found := problem(text)):
                wrong.append(f"{where(page, line)}: {found}")
    assert not wrong, "\n".join(wrong)


def test_commands_in_the_text_are_there() -> None:
    wrong = []
    for page in PAGES:
        for line, text in page.code():
            if _OURS.match(text) and (found := problem(text)):
                wrong.append(f"{where(page, line)}: {found}")
    assert not wrong, "\n".join(wrong)


def test_targets_of_make_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [text for page in PAGES for text in (*(b.text for b in page.blocks), *(code for _, code in page.code()))]
    named = {name for text in texts for name in _MAKE.findall(text)}
    assert named and named <= targets, f"not in the Makefile: {sorted(named - targets)}"


def test_yaml_examples_are_taken_without_a_warning() -> None:
    seen = 0
    for page, block in blocks("yaml"):
        name = where(page, block.line)
        documents = list(load_documents(block.text, name=name))
        kinds = [document.value.get("apiVersion") for document in documents]
        if "argoproj.io/v1alpha1" in kinds or any(is_settings(document.value) for document in documents):
            warnings = [warning for parsed in parse_objects(block.text, name=name) for warning in parsed.warnings]
            assert not warnings, f"{name}: {warnings}"
            seen += 1
    assert seen >= 3, "the manual has lost its examples"


def test_toml_examples_are_settings() -> None:
    for page, block in blocks("toml"):
        unknown = tomllib.loads(block.text).keys() - Settings.model_fields.keys()
        assert not unknown, f"{where(page, block.line)}: {unknown}"


def test_json_examples_are_json() -> None:
    for _page, block in blocks("json"):
        json.loads(block.text)
