#!/bin/sh
# Makes .venv what requirements.lock and pyproject.toml say, and does nothing when it is so already.
#
# The stamp in it names what it was made from and where: an environment that was moved or copied, whose Python is gone
# or has become another version, or whose last installation was cut short, is made anew.
#
# PYTHON names the interpreter to make it with; else the first of python3, python3.13, python3.12, python3.11 that is
# new enough is taken.
set -eu
cd "$(dirname "$0")/.."
venv=.venv
stamp=$venv/.installed
here="$(pwd)"
wanted="$(cat requirements.lock pyproject.toml | cksum)"

say() {
    echo "setup: $*" >&2
}

fail() {
    say "$*"
    exit 1
}

# Whether the environment runs, here, with what was put into it.
works() {
    [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" = "$here" ] &&
        "$venv/bin/python" -c 'import sys, escadre.v1, orjson, pip, pytest
sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

new_enough() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

interpreter() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not a Python of 3.11 or newer; name another"
        echo "$PYTHON"
        return
    fi
    for name in python3 python3.13 python3.12 python3.11; do
        if new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    fail "Python 3.11 or newer is needed: install one, or name it with PYTHON=/path/to/python3"
}

create() {
    python="$1"
    "$python" -m venv --clear "$venv" && return
    # Debian keeps what venv needs in a package of its own.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing python3-venv"
        apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-venv >/dev/null &&
            "$python" -m venv --clear "$venv" && return
    fi
    fail "$python cannot make an environment; on Debian and Ubuntu: apt-get install python3-venv"
}

if works; then
    [ "$(tail -n 1 "$stamp")" = "$wanted" ] && exit 0
else
    python="$(interpreter)"
    say "making $venv with $("$python" --version)"
    create "$python"
fi
rm -f "$stamp"
say "installing what requirements.lock pins"
install="$venv/bin/python -m pip --quiet --disable-pip-version-check install"
$install --require-hashes -r requirements.lock
$install --no-deps --no-build-isolation --editable .
printf '%s\n' "$here" "$wanted" >"$stamp"
