"""Scripts: what they can do, what they cannot, and what stops them."""

from __future__ import annotations

import resource
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.lua import LuaError, Script, sandbox
from agent.engine.lua.sandbox import MAX_STRIKES
from tests.engine.strategies import json_values
from tests.search import examples

OBJ = {"spec": {"replicas": 3, "ports": [80, 443], "none": None}, "name": "é", "share": 1.5, "big": 2**60}


def run(source: str, *, open_libs: bool = False, **given: Any) -> Any:
    return Script(source, open_libs).run(obj=OBJ, **given)


def refused(source: str, *, open_libs: bool = False) -> str:
    with pytest.raises(LuaError) as caught:
        run(source, open_libs=open_libs)
    return str(caught.value)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script has less time than usual."""
    assert sandbox.SECONDS == 1.0
    monkeypatch.setattr(sandbox, "SECONDS", 0.2)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("return obj.spec", {"replicas": 3, "ports": [80, 443]}),
        ("return obj.share", 1.5),
        ("return obj.big == 2^60", True),
        ("return obj.spec.none", None),
        ("return {}", []),
        ("return {1, {a = 'b'}}", [1, {"a": "b"}]),
        ("return", None),
        ("", None),
        ("return ('web-1'):match('%-(%d+)$')", "1"),
        ("return string.format('%d of %s', 2, 'x') .. #obj.spec.ports", "2 of x2"),
        ("local t = {'b', 'a'} table.sort(t) table.insert(t, 1, 'c') return table.concat(t, ',')", "c,a,b"),
        ("return table.getn({1, 2}) + math.floor(1.5) + select('#', unpack({1, 2}))", 5),
        ("local os = require('os') return os.time() > 1e9", True),
        ("return os.date('!%Y', 0)", "1970"),
        ("return select(2, xpcall(function() error('x', 0) end, function(e) return 'handled ' .. e end))", "handled x"),
        ("return select(2, pcall(error, 'x'))", "x"),
        ("return tostring(tonumber('0x10')) .. type(next)", "16function"),
        ("for i = 1, 3 do if i < 3 then goto continue end obj.name = i ::continue:: end return obj.name", 3),
        ("return select('#', unpack({}, 2^31))", 0),
        ("print('x') return collectgarbage('count')", 0),
        ("return ('x'):rep(3) .. string.rep('a', 2) .. ('y'):rep(0) .. ('z'):rep(-1)", "xxxaa"),
        ("return (('a.b'):gsub('%.', '-'))", "a-b"),
        ("return ('a+b'):find('+', 1, true)", 2),
    ],
)
def test_what_scripts_do(source: str, expected: Any) -> None:
    assert run(source) == expected


def test_what_is_given_has_names() -> None:
    assert run("return actionParams.scale .. obj.name", actionParams={"scale": "3"}) == "3é"


def test_coroutines_are_there_where_the_libraries_are_open() -> None:
    source = "local f = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end) f() return f()"
    assert run(source, open_libs=True) == 2
    assert "coroutine" in refused(source)


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "io",
            "debug",
            "python",
            "dofile",
            "load",
            "loadfile",
            "loadstring",
            "module",
            "newproxy",
            "getfenv",
            "setfenv",
        ),
        *("os.execute", "os.exit", "os.getenv", "os.remove", "os.rename", "os.tmpname", "os.setlocale", "string.dump"),
        *("package.loadlib", "package.path", "package.loaded.io", "package.preload", "_G.io", "_G._G.python", "gcinfo"),
        *("getmetatable('').__index.dump", "getmetatable(obj)", "getmetatable(print)", "jit", "ffi", "arg"),
    ],
)
@pytest.mark.parametrize("open_libs", [False, True])
@pytest.mark.parametrize("newer", ["", " goto newer ::newer::"])
def test_nothing_that_reaches_out_is_there(expression: str, open_libs: bool, newer: str) -> None:
    source = f"do local x = 1{newer} end return tostring({expression})"
    assert run(source, open_libs=open_libs) == "nil"


def test_modules_are_those_that_are_there() -> None:
    for name in ("io", "debug", "ffi", "socket", "python", "package"):
        assert f"there is no module '{name}'" in refused(f"require('{name}')", open_libs=True)


@pytest.mark.parametrize(
    "source",
    [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() pcall(f) f() end f()",
        "xpcall(function() while true do end end, function() while true do end end)",
        "local s = ('x'):rep(1e6) while true do s = s:upper() end",
        "return coroutine.wrap(function() while true do end end)()",
    ],
)
def test_what_does_not_end_is_stopped(source: str, short: None) -> None:
    began = time.monotonic()
    assert refused(source, open_libs=True) == "the script was stopped: it ran for more than 0.2 s"
    assert time.monotonic() - began < 20
    assert run("return 1") == 1


@pytest.mark.parametrize(
    "source",
    [
        "local s = 'x' while true do s = s .. s end",
        "local t = {} for i = 1, 1e9 do t[i] = {i} end",
        "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
    ],
)
def test_what_eats_memory_is_stopped(source: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(5):
        assert refused(source) == "the script takes more than 48 MB"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 1024, "kilobytes"


@pytest.mark.parametrize(
    "source",
    [
        "return string.rep('x', 1e9)",
        "return ('x'):rep(2^53)",
        "return string.find(('a'):rep(30), ('a?'):rep(30) .. ('a'):rep(30))",
        "return (('a'):rep(9000)):match('.-.-.-.-b')",
        "for _ in (('a'):rep(9000)):gmatch('.-.-.-b') do end",
        "return ('x'):rep(900000):find(('x'):rep(500000) .. 'y', 1, true)",
        "return string.rep('x', 0 / 0 == 0 and 1 or 1e300)",
    ],
)
def test_what_no_hook_would_stop_is_refused_beforehand(source: str) -> None:
    began = time.monotonic()
    assert refused(source) == "the script does too much with too long texts or lists"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("return 1 +", "the script is not Lua: line 1: unexpected symbol near '<eof>'"),
        ("\n\nlocal x = nil\nreturn x.y", "line 4: attempt to index local 'x' (a nil value)"),
        ("error('no')", "line 1: no"),
        ("error({})", "the script failed without a message"),
        ("error(setmetatable({}, {__tostring = function() while true do end end}))", "failed without a message"),
        ("local function f() return 1 + f() end return f()", "stack overflow"),
        ("local t = {} t.t = t return t", "contains itself"),
        ("return function() end", "holds a function"),
        ("return {1, nil, 3}", "gaps"),
        ("return {1, a = 2}", "mixes names and other values"),
        ("return {[true] = 1}", "mixes names and other values"),
        ("return {[2] = 1}", "list with gaps"),
        ("return 0/0", "a number that JSON cannot hold"),
        ("return '\\255'", "not UTF-8"),
        ("\x1bLua", "compiled"),
        ("(" * 9999, "the script is not Lua: line 1: "),
        ("table.insert({}, -2147483648, 1)", "position out of bounds"),
        ("return unpack({}, -2147483648, 2147483647)", "too many results to unpack"),
        ("return unpack({}, 1, 1e8)", "too many results to unpack"),
        ("return table.concat({}, '', 1, 1e9)", "invalid value (nil) at index 1"),
        ("setmetatable({}, {__gc = error}) goto newer ::newer::", "__gc is not allowed"),
        ("--" + "x" * 300_000, "longer than"),
        ("error(('x'):rep(100000))", "xxx…"),
    ],
)
def test_failures_are_told(source: str, said: str) -> None:
    message = refused(source)
    assert said in message
    assert len(message) < 600


def test_one_that_is_stopped_again_and_again_is_not_run_any_more(short: None) -> None:
    script = Script("while obj.loops do end return 'fine'")
    for _ in range(MAX_STRIKES):
        assert script.run(obj={}) == "fine"
        with pytest.raises(LuaError, match=r"was stopped: it ran for more than 0\.2 s"):
            script.run(obj={"loops": True})
    began = time.monotonic()
    with pytest.raises(LuaError, match="is not run any more"):
        script.run(obj={})
    assert time.monotonic() - began < 0.5


def test_scripts_leave_nothing_to_each_other() -> None:
    script = Script("seen = (seen or 0) + 1 string.seen = true table.insert = nil return seen")
    assert [script.run(obj=OBJ), script.run(obj=OBJ)] == [1, 1]
    assert run("return string.seen") is None


def test_the_object_stays_as_it_is() -> None:
    before = {"a": [1, {"b": 2}]}
    assert Script("obj.a[2].b = 3 obj.c = true return obj").run(obj=before) == {"a": [1, {"b": 3}], "c": True}
    assert before == {"a": [1, {"b": 2}]}


def test_what_is_nested_too_deep_is_not_passed() -> None:
    deep: Any = "x"
    for _ in range(3000):
        deep = [deep]
    with pytest.raises(LuaError, match="nested deeper"):
        Script("return 1").run(obj={"deep": deep})


@examples(100)
@given(st.dictionaries(st.text(), json_values(), max_size=5))
def test_any_object_goes_in_and_text_comes_back(obj: dict[str, Any]) -> None:
    obj["mark"] = "here"
    assert Script("return obj.mark").run(obj=obj) == "here"


@examples(100)
@given(st.text(st.sampled_from("abehinorstu ()[]{}=+-.,'\"#~:0123\n\\\0"), max_size=60))
def test_any_text_is_a_script_or_is_refused(source: str) -> None:
    try:
        run(source)
    except LuaError as error:
        assert str(error)
