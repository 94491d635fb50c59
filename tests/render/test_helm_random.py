"""Charts that make something up: found out, told by template and function, and kept on request."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import pytest

from hub.domain.application import Source
from hub.render import Rendered
from tests.render.conftest import ONE_LOOP, URL, Kitchen, request
from tests.render.trees import Content

pytestmark = ONE_LOOP

CHART = Source(URL, path="chart")
METADATA = "apiVersion: v2\nname: web\nversion: 1.2.3\n"


def chart(expression: str, **more: Content) -> dict[str, Content]:
    text = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\nstringData:\n  made: {{{{ {expression} | quote }}}}\n"
    plain = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n"
    files: dict[str, Content] = {"chart/Chart.yaml": METADATA, "chart/templates/secret.yaml": text}
    return files | {"chart/templates/plain.yaml": plain} | more


async def rendered(kitchen: Kitchen, files: dict[str, Content], *, frozen: bool = False) -> Rendered:
    return await kitchen.render(replace(request(files, CHART), frozen=frozen))


@pytest.mark.parametrize(
    ("expression", "function"),
    [
        ("randAlphaNum 10", "randAlphaNum"),
        ("randInt 0 1000000000", "randInt"),
        ("randBytes 16", "randBytes"),
        ('(genCA "ca" 365).Cert', "genCA"),
        ('(genSelfSignedCert "x" nil nil 365).Key', "genSelfSignedCert"),
        ("uuidv4", "uuidv4"),
        ('htpasswd "user" "password"', "htpasswd"),
        ('bcrypt "password"', "bcrypt"),
        ('now | date "2006-01-02"', "now"),
        ("now.Unix", "now"),
        ('ago (toDate "2006-01-02" "2020-01-01")', "ago"),
    ],
)
async def test_what_is_made_up_is_told(kitchen: Kitchen, expression: str, function: str) -> None:
    (warning,) = (await rendered(kitchen, chart(expression))).warnings
    assert warning.startswith("RenderWarning: chart is never stable")
    assert f"web/templates/secret.yaml ({function})" in warning
    assert "plain.yaml" not in warning


@pytest.mark.parametrize(
    "expression",
    [
        'derivePassword 1 "long" "password" "user" "example.com"',
        'print "now and randAlphaNum 10"',
        'sha256sum "x"',
        ".Values.now",
        'ternary (randAlphaNum 10) "stable" false',
        'toDate "2006-01-02" "2020-01-01" | date "2006"',
        'get (dict "uuidv4" 1) "uuidv4"',
    ],
)
async def test_what_stays_the_same_is_not(kitchen: Kitchen, expression: str) -> None:
    assert (await rendered(kitchen, chart(expression))).warnings == ()


async def test_a_helper_and_a_value_are_found_too(kitchen: Kitchen) -> None:
    helper = '{{ define "made" }}{{ randAlphaNum 10 }}{{ end }}'
    files = chart('include "made" .', **{"chart/templates/_helpers.tpl": helper})
    (warning,) = (await rendered(kitchen, files)).warnings
    assert "web/templates/secret.yaml (randAlphaNum)" in warning
    files = chart("tpl .Values.text .", **{"chart/values.yaml": "text: '{{ uuidv4 }}'\n"})
    (warning,) = (await rendered(kitchen, files)).warnings
    assert "web/templates/secret.yaml (uuidv4)" in warning


async def test_an_archived_subchart_is_found_too(kitchen: Kitchen) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        text = "apiVersion: v1\nkind: Secret\nmetadata: {name: second}\nstringData: {p: {{ randAlphaNum 9 | quote }}}\n"
        for path, content in (
            ("sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 0.1.0\n"),
            ("sub/templates/s.yaml", text),
        ):
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    files = chart('print "x"', **{"chart/charts/sub-0.1.0.tgz": buffer.getvalue()})
    files["chart/Chart.yaml"] = METADATA + "dependencies: [{name: sub, version: 0.1.0, repository: ''}]\n"
    (warning,) = (await rendered(kitchen, files)).warnings
    assert "web/charts/sub/templates/s.yaml (randAlphaNum)" in warning


async def test_of_what_is_frozen_nothing_is_told_and_it_has_a_key_of_its_own(kitchen: Kitchen) -> None:
    files = chart("randAlphaNum 10")
    assert (await rendered(kitchen, files, frozen=True)).warnings == ()
    plain = request(files, CHART)
    keys = {(await kitchen.scan(given)).key for given in (plain, replace(plain, frozen=True))}
    assert len(keys) == 2
