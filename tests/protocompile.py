"""Generated code is committed, so that installing needs no compiler; this keeps it the image of the wire contract.

    python -m tests.protocompile           # write proto/**/*_pb2.py, *_pb2.pyi and *_pb2_grpc.py anew
    python -m tests.protocompile --check   # write nothing; exit with 1 when a committed file differs

The compiler is the one that requirements.lock pins, so that everybody generates the same bytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
PROTO = ROOT / "proto"
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py")


class CompileError(Exception):
    """The contract does not compile; the compiler has said why on standard error."""


def generate(source: Path, target: Path) -> None:
    """Compile every ``.proto`` below ``source`` into ``target``, with the same folders below it."""
    contracts = sorted(str(path.relative_to(source)) for path in source.rglob("*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"-I{source}", f"-I{well_known}", *outputs, *contracts]) != 0:
        raise CompileError(f"the compiler refused {', '.join(contracts)}")


def drift(committed: Path, fresh: Path) -> list[str]:
    """Tell what differs between two folders of generated code, one line for each file."""
    theirs, ours = _generated(committed), _generated(fresh)
    return [
        f"{name}: {_difference(theirs.get(name), ours.get(name))}"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]


def _generated(folder: Path) -> dict[str, bytes]:
    found = (path for pattern in GENERATED for path in folder.rglob(pattern))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _difference(committed: bytes | None, fresh: bytes | None) -> str:
    if committed is None:
        return "is missing"
    if fresh is None:
        return "has no .proto any more"
    return "is not what its .proto generates"


def _check() -> int:
    with tempfile.TemporaryDirectory(prefix="escadre-proto-") as scratch:
        generate(PROTO, Path(scratch))
        differences = drift(PROTO, Path(scratch))
    for line in differences:
        print(f"proto/{line}")
    return 1 if differences else 0


def _write() -> int:
    generate(PROTO, PROTO)
    contracts = {path.with_suffix("") for path in PROTO.rglob("*.proto")}
    for name in _generated(PROTO):
        path = PROTO / name
        if path.with_name(path.name.partition("_pb2")[0]) not in contracts:
            path.unlink()
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.protocompile", description="Compile the wire contract.")
    parser.add_argument("--check", action="store_true", help="compare with the committed files; write nothing")
    try:
        sys.exit(_check() if parser.parse_args().check else _write())
    except CompileError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
