"""`escadre admin health`: objects in, one line of JSON each out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from agent.admin import objects
from hub.cli.commands import admin
from tests.cli.conftest import Outcome, Terminal

POD: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Failed", "message": "evicted"}}
CONFIG: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}


def healths(outcome: Outcome) -> list[dict[str, str]]:
    assert outcome.code == 0, outcome.err
    return [json.loads(line) for line in outcome.out.splitlines()]


def statuses(outcome: Outcome) -> list[str]:
    return [health["status"] for health in healths(outcome)]


def test_a_line_is_the_status_and_the_message(escadre: Terminal) -> None:
    outcome = escadre("admin", "health", "-", input=json.dumps(POD))
    assert healths(outcome) == [{"status": "Degraded", "message": "the pod has failed: evicted"}]


def test_a_kind_without_health_counts_as_healthy(escadre: Terminal) -> None:
    outcome = escadre("admin", "health", "-", input=json.dumps(CONFIG))
    assert healths(outcome) == [{"status": "Healthy", "message": "a ConfigMap has no health of its own"}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(POD) + "\n" + json.dumps(CONFIG),
        json.dumps([POD, CONFIG]),
        json.dumps({"apiVersion": "v1", "kind": "List", "items": [POD, CONFIG]}),
        json.dumps([{"apiVersion": "v1", "kind": "List", "items": [POD]}, CONFIG]),
        f"# live\n{json.dumps(POD)}\n---\n---\napiVersion: v1\nkind: ConfigMap\n",
        "- {apiVersion: v1, kind: Pod, status: {phase: Failed}}\n- {apiVersion: v1, kind: ConfigMap}\n",
    ],
    ids=["json lines", "array", "List", "a List in an array", "documents", "a YAML list"],
)
def test_forms_of_many_objects(escadre: Terminal, text: str) -> None:
    assert statuses(escadre("admin", "health", "-", input=text)) == ["Degraded", "Healthy"]


def test_a_list_of_nothing_is_no_object(escadre: Terminal) -> None:
    text = "apiVersion: v1\nkind: List\nitems: null\n---\napiVersion: v1\nkind: List\n"
    assert statuses(escadre("admin", "health", "-", input=text)) == []


def test_the_items_of_a_list_of_one_kind_need_not_say_what_they_are(escadre: Terminal) -> None:
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [{"status": {"phase": "Pending"}}, POD]}
    assert statuses(escadre("admin", "health", "-", input=json.dumps(pods))) == ["Progressing", "Degraded"]


def test_several_files_are_read_in_order(escadre: Terminal) -> None:
    Path("a.json").write_text(json.dumps(POD))
    Path("b.yaml").write_text("apiVersion: v1\nkind: ConfigMap\n")
    assert statuses(escadre("admin", "health", "a.json", "b.yaml", "a.json")) == ["Degraded", "Healthy", "Degraded"]
    assert healths(escadre("admin", "health", "-", input="")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b\nc: [1\nd: e\n", ["standard input, line 3"]),
        ("kind: Pod\nkind: Pod\n", ["line 2", "written twice", '"kind"']),
        ("kind: Pod\n", ["line 1", "no Kubernetes object", "apiVersion"]),
        ("apiVersion: v1\nkind: 3\n", ["line 1", "kind"]),
        ("apiVersion: v1\nkind: Pod\n---\nhello\n", ["line 4", "a text"]),
        ('[{"apiVersion": "v1", "kind": "Pod"}, 7]', ["line 1, item 1"]),
        ('{"apiVersion": "v1", "kind": "List", "items": [null]}', ["items[0]", "null"]),
        (b"\xff\xfea", ["UTF-16"]),
    ],
)
def test_what_is_wrong_is_told_with_its_place(escadre: Terminal, text: str | bytes, said: list[str]) -> None:
    outcome = escadre("admin", "health", "-", input=text)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ") and outcome.err.count("\n") == 1
    assert [word for word in said if word not in outcome.err] == [], outcome.err


def test_files_that_cannot_be_read(escadre: Terminal) -> None:
    for name in ("missing.yaml", ".", "a\0b"):
        outcome = escadre("admin", "health", name)
        assert outcome.code == 2
        assert outcome.err.startswith("error: ") and "Traceback" not in outcome.err
    assert "missing.yaml cannot be read: No such file" in escadre("admin", "health", "missing.yaml").err


@pytest.mark.parametrize("arguments", [(), ("--nonsense", "-"), ("--hub-context", "x", "-")])
def test_wrong_usage(escadre: Terminal, arguments: tuple[str, ...]) -> None:
    outcome = escadre("admin", "health", *arguments, input="")
    assert outcome.code == 2
    assert "escadre admin health --help" in outcome.err


def test_the_shell_names_its_commands(escadre: Terminal) -> None:
    assert "health" in escadre("admin", "--help").out
    outcome = escadre("admin", "helth")
    assert (outcome.code, "did you mean 'health'?" in outcome.err) == (2, True)


WIDGET = {"apiVersion": "example.org/v1", "kind": "Widget", "status": {"phase": "Failed"}}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("check.lua", "hs = {status = 'Suspended', message = obj.kind} return hs"),
        ("check.cel", "{'status': 'Suspended', 'message': obj.kind}"),
        ("lua", "return {status = 'Suspended', message = obj.kind}"),
        ("cel", "{'status': 'Suspended', 'message': obj.kind}"),
    ],
)
@pytest.mark.parametrize("kind", ["example.org_Widget", "*.org_*", "*_*"])
def test_overrides(escadre: Terminal, name: str, source: str, kind: str) -> None:
    Path(name).write_text(source)
    outcome = escadre("admin", "health", "--override", f"{kind}={name}", "-", input=json.dumps(WIDGET))
    assert healths(outcome) == [{"status": "Suspended", "message": "Widget"}]


def test_the_suffix_decides_before_the_content(escadre: Terminal) -> None:
    Path("check.cel").write_text("return 1")
    (health,) = healths(escadre("admin", "health", "--override", "Pod=check.cel", "-", input=json.dumps(POD)))
    assert health["status"] == "Unknown" and "is not CEL" in health["message"]


def test_open_libraries(escadre: Terminal) -> None:
    Path("c.lua").write_text("return {status = 'Healthy', message = type(coroutine)}")
    arguments = ("admin", "health", "--override", "Pod=c.lua", "-")
    assert healths(escadre(*arguments, input=json.dumps(POD)))[0]["message"] == "nil"
    assert healths(escadre(*arguments, "--use-open-libs", input=json.dumps(POD)))[0]["message"] == "table"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("Pod", "is not <group>_<kind>=FILE"),
        ("=x", "is not <group>_<kind>=FILE"),
        ("a_b_C=x", "is not <group>_<kind>=FILE"),
        ("Pod=missing.lua", "missing.lua cannot be read"),
        ("Pod=empty.lua", "empty.lua: the override is empty"),
        ("Pod=binary.lua", "not UTF-8"),
    ],
)
def test_overrides_that_cannot_be_read(escadre: Terminal, override: str, said: str) -> None:
    Path("empty.lua").write_text(" ")
    Path("binary.lua").write_bytes(b"\xff\xfe")
    outcome = escadre("admin", "health", "--override", override, "-", input="")
    assert (outcome.code, said in outcome.err) == (2, True), outcome.err


@pytest.mark.parametrize("arguments", [("-", "-"), ("--override", "Pod=-", "-")])
def test_standard_input_is_one_thing(escadre: Terminal, arguments: tuple[str, ...]) -> None:
    """Read a second time it would be empty, and nothing would be told of what was meant."""
    outcome = escadre("admin", "health", *arguments, input="return {status = 'Healthy'}" if len(arguments) > 2 else "")
    assert (outcome.code, outcome.out) == (2, "")
    assert "standard input cannot be two things at once" in outcome.err


def test_what_is_too_large_is_not_read(escadre: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "LARGEST", 1000)
    for arguments, name in (
        (("/dev/zero",), "/dev/zero"),
        (("--override", "Pod=/dev/zero", "-"), "/dev/zero"),
        (("-",), "standard input"),
    ):
        outcome = escadre("admin", "health", *arguments, input="#" * 1001)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == f"error: {name} is larger than 1,000 bytes, which is all that is read of one file\n"


def test_a_few_lines_do_not_become_a_billion_values(escadre: Terminal) -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    outcome = escadre("admin", "health", "-", input="\n".join(lines))
    assert (outcome.code, "more than 1,000,000 values once aliases are resolved" in outcome.err) == (2, True)


def test_a_list_of_what_is_none(escadre: Terminal) -> None:
    outcome = escadre("admin", "health", "-", input='{"apiVersion": "v1", "kind": "List", "items": {"a": 1}}')
    assert (outcome.code, "the items of a List are no list" in outcome.err) == (2, True)


def test_a_program_without_its_commands_says_so(escadre: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin.command, "found", {})
    outcome = escadre("admin", "health", "-")
    assert (outcome.code, "install the package escadre as a whole" in outcome.err) == (2, True)
    missing = EntryPoint("health", "agent.nowhere:command", admin.GROUP)
    monkeypatch.setattr(admin.command, "found", {"health": missing})
    outcome = escadre("admin", "health", "-")
    assert (outcome.code, "not installed completely: No module named 'agent.nowhere'" in outcome.err) == (2, True)


def test_a_thousand_objects_take_less_than_two_seconds(tmp_path: Path) -> None:
    """Of the processor, for how long the program waits for it says nothing about the program."""
    text = "\n---\n".join(json.dumps(deployment(i), indent=1) for i in range(1000))
    (tmp_path / "live.yaml").write_text("# of a cluster\n" + text)
    command = [sys.executable, "-m", "hub.cli.main", "admin", "health", str(tmp_path / "live.yaml")]
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    after = os.times()
    assert len(done.stdout.splitlines()) == 1000
    assert set(done.stdout.splitlines()) == {'{"status":"Healthy","message":""}'}
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 2.0


def deployment(number: int) -> dict[str, Any]:
    conditions = [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "fine"}]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 3)
    containers = [{"name": "web", "image": "web:1", "env": [{"name": f"E{i}", "value": "v"} for i in range(10)]}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"web-{number}", "namespace": "shop", "generation": 2, "labels": {"app": "web"}},
        "spec": {"replicas": 3, "template": {"spec": {"containers": containers}}},
        "status": {"observedGeneration": 2, **counts, "conditions": conditions},
    }
