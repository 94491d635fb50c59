"""`make demo`: shows Escadre at work, then stays up to be tried.

make demo                             three simulated clusters
make demo ARGS=--once                 all of it, then stop everything; exits 0 only if every step happened
make demo ARGS="--context NAME …"     the clusters of your kubeconfig's contexts
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from demo.console import StepFailed, Steps
from demo.stage import Stage
from demo.story import Story


def main() -> int:
    parser = argparse.ArgumentParser(prog='make demo ARGS="…"', description="Show Escadre at work.")
    parser.add_argument("--once", action="store_true", help="stop when everything has been shown")
    parser.add_argument(
        "--context", action="extend", nargs="+", default=[], help="use these clusters of the kubeconfig"
    )
    parser.add_argument("--kubeconfig", type=Path, help="the kubeconfig, where it is not the usual one")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Set for SIGINT too: a shell that starts this in the background has it ignored.
        signal.signal(number, _interrupt)
    steps = Steps()
    began = time.monotonic()
    try:
        with Stage(arguments.context, arguments.kubeconfig, steps.say) as stage:
            try:
                Story(stage, steps).run()
                steps.console.print(f"\nEverything happened, in {time.monotonic() - began:.0f} s.")
                if not arguments.once:
                    _stay(stage, steps)
            except (StepFailed, subprocess.SubprocessError) as failure:
                steps.console.print("\n[red]✗[/red]", end=" ")
                steps.console.print(str(failure), markup=False)
                for program in (stage.hub, *(c.agent for c in stage.clusters.values())):
                    if words := program.last_words():
                        steps.console.print(f"\n{program.name}:\n{words}", markup=False, style="dim")
                return 1
    except KeyboardInterrupt:
        steps.console.print("\nStopped; nothing is left running.")
        return 0 if not arguments.once else 130
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stay(stage: Stage, steps: Steps) -> None:
    password = stage.password_file.read_text("utf-8").strip()
    python = Path(sys.executable).parent
    steps.console.print(
        f"""
The hub stays up at https://{stage.address}. In another terminal:

    export PATH="{python}:$PATH" ESCADRE_CONFIG={stage.config}
    escadre app list                    # already logged in, as admin; the password is {password}
    escadre app get shop --tree
    escadre app drift shop
    escadre cluster list -o wide

Change something in {stage.repository.path}, commit it, and run `escadre app refresh shop`.
Ctrl-C ends everything.""",
        markup=False,
    )
    while True:
        time.sleep(1)
        stage.hub.check()
        stage.check()


if __name__ == "__main__":
    sys.exit(main())
