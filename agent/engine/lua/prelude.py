"""The part of the sandbox that is Lua itself: what a script finds, and what stops it.

It runs once in every new state, before the script, takes everything away that is not listed here, and returns the
function that runs a script.

What stops a script is a hook that looks at the clock every hundred instructions. It is not called while one of Lua's
own functions runs, so those that can take long are charged beforehand for what they may cost at worst. Once the time
is over the hook fails at every instruction, so that no `pcall` keeps a script alive.
"""

from __future__ import annotations

from typing import Final

TIME_IS_OVER: Final = "the script has used up its time"

PRELUDE: Final = r"""
local seconds, open, TIME_IS_OVER = ...
local load, pcall, type, error, next, rawget, pairs = loadstring or load, pcall, type, error, next, rawget, pairs
local clock, sethook = os.clock, debug.sethook
local byte, tostring, tonumber, select = string.byte, tostring, tonumber, select
local create, resume = coroutine.create, coroutine.resume

-- Time.

local began = clock()
local left = 200 * 1000 * 1000
local hook
hook = function()
    if clock() - began > seconds then
        sethook(hook, "", 1)
        error(TIME_IS_OVER, 0)
    end
end

local function charge(steps)
    left = left - steps
    -- Not a number is less than nothing, too.
    if not (left >= 0) then
        error("the script does too much with too long texts or lists", 0)
    end
end

-- Functions that can take long.

local function at_worst(subject, pattern)
    local quantifiers, doubled, at, length = 0, 0, 1, #pattern
    while at <= length do
        local c = byte(pattern, at)
        if c == 37 then -- a character behind a percent sign stands for itself; %b runs through the text
            at = at + 1
            if byte(pattern, at) == 98 then quantifiers = quantifiers + 1 end
        elseif c == 42 or c == 43 or c == 45 then
            quantifiers = quantifiers + 1
        elseif c == 63 then
            doubled = doubled + 1
        end
        at = at + 1
    end
    if byte(pattern, 1) ~= 94 then quantifiers = quantifiers + 1 end
    return (#subject + 1) ^ quantifiers * 2 ^ doubled * (length + 1)
end

local function texts(subject, pattern)
    if type(subject) == "number" then subject = tostring(subject) end
    if type(pattern) == "number" then pattern = tostring(pattern) end
    if type(subject) == "string" and type(pattern) == "string" then charge(at_worst(subject, pattern)) end
end

for _, name in pairs({"match", "gmatch", "gsub"}) do
    local inner = string[name]
    string[name] = function(subject, pattern, ...)
        texts(subject, pattern)
        return inner(subject, pattern, ...)
    end
end
string.gfind = string.gmatch

local find = string.find
string.find = function(subject, pattern, from, plain)
    if plain and type(subject) == "string" and type(pattern) == "string" then
        charge(#subject * #pattern)
    else
        texts(subject, pattern)
    end
    return find(subject, pattern, from, plain)
end

local rep = string.rep
string.rep = function(text, count, between)
    local length = #tostring(text) + #tostring(between or "")
    if not tonumber(count) then return rep(text, count) end
    if length == 0 or tonumber(count) < 1 then return "" end
    charge(length * count)
    if between == nil then return rep(text, count) end
    return rep(text .. between, count - 1) .. text
end

local insert, remove, sort, concat = table.insert, table.remove, table.sort, table.concat
table.insert = function(list, ...)
    if type(list) == "table" and select("#", ...) == 2 then
        local position = tonumber((...))
        if not position or position < 1 or position > #list + 1 then
            error("bad argument #2 to 'insert' (position out of bounds)", 2)
        end
        charge(#list - position)
    end
    return insert(list, ...)
end
table.remove = function(list, ...)
    if type(list) == "table" then charge(#list) end
    return remove(list, ...)
end
table.sort = function(list, ...)
    if type(list) == "table" then charge(#list * 20) end
    return sort(list, ...)
end
table.concat = function(list, ...)
    if type(list) == "table" then charge(#list) end
    return concat(list, ...)
end
table.getn = function(list) return #list end
-- What is asked for beyond the range of C's integers must not get there.
local spread = unpack or table.unpack
table.unpack = nil
local function unpack(list, from, to)
    if type(list) ~= "table" then error("bad argument #1 to 'unpack' (table expected)", 2) end
    from, to = tonumber(from or 1), tonumber(to or #list)
    if not from or not to then error("bad argument to 'unpack' (number expected)", 2) end
    if to < from then return end
    if not (from > -2^31 and to < 2^31 and to - from < 7000) then error("too many results to unpack", 2) end
    return spread(list, from, to)
end

-- A finalizer would run where no hook does.
local set = setmetatable
local function setmetatable(value, metatable)
    if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
        error("__gc is not allowed", 2)
    end
    return set(value, metatable)
end

-- A handler runs where the error happened, and within the hook no hook stops it. So here it runs afterwards.
local function handled(handler, ok, ...)
    if ok then return true, ... end
    return false, handler(...)
end
local function xpcall(f, handler)
    return handled(handler, pcall(f))
end

-- What a script finds.

local base = {
    assert = assert, error = error, getmetatable = getmetatable, ipairs = ipairs, next = next, pairs = pairs,
    pcall = pcall, rawequal = rawequal, rawget = rawget, rawset = rawset, select = select,
    setmetatable = setmetatable, tonumber = tonumber, tostring = tostring, type = type,
    unpack = unpack, xpcall = xpcall, _VERSION = "Lua 5.1", math = math, string = string,
    table = table, os = {time = os.time, date = os.date, clock = os.clock, difftime = os.difftime},
    print = function() end, collectgarbage = function() return 0 end,
}
string.dump = nil

if open then
    local function made(f)
        local thread = create(f)
        sethook(thread, hook, "", 100)
        return thread
    end
    local function passed(ok, ...)
        if not ok then error((...), 0) end
        return ...
    end
    base.coroutine = {
        create = made, resume = resume, running = coroutine.running, status = coroutine.status, yield = coroutine.yield,
        wrap = function(f)
            local thread = made(f)
            return function(...) return passed(resume(thread, ...)) end
        end,
    }
end

local modules = {string = string, table = table, math = math, os = base.os, coroutine = base.coroutine}
base.require = function(name)
    local found = modules[name]
    if not found then error("there is no module '" .. tostring(name) .. "'", 2) end
    return found
end
base.package = {loaded = modules}

local globals = _G
for name in next, globals do globals[name] = nil end
for name, value in next, base do globals[name] = value end
globals._G = globals

return function(source, given)
    local chunk, problem = load(source, "=script")
    if not chunk then return "syntax", problem end
    for name, value in next, given do globals[name] = value end
    sethook(hook, "", 100)
    local ok, value = pcall(chunk)
    sethook()
    if ok then return "ok", value end
    if type(value) == "number" then value = value .. "" end
    return "error", type(value) == "string" and value or "the script failed without a message"
end
"""
