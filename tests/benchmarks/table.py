"""The benches, what they are to reach, and the page that tells what they reached."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Bench:
    work: str
    reach: Mapping[str, tuple[str, float]]
    """key → (comparison, limit). A bench may give further figures."""
    reason: str = ""
    """Told below the table when a figure falls short."""


BENCHES: dict[str, Bench] = {
    "fanout": Bench(
        "1,000 agents, one application of 10 ConfigMaps on all of them, one commit that changes all ten:"
        " refresh → applied and on record in the hub",
        {"p50_s": ("<", 1), "p99_s": ("<", 2)},
        "all of the fleet's work falls due at once, and two cores do it: such a commit costs the hub about 1.2 s of"
        " processor, and a thousand agents with the API servers they simulate 3.4 s. The median is when half is done.",
    ),
    "restart": Bench(
        "the hub killed and started again under 1,000 agents × 100 applications: all connected and in agreement",
        {"seconds": ("<", 30), "blobs_sent": ("=", 0)},
    ),
    "narrow": Bench(
        "a repository of 1,000 applications, a commit that touches one: refresh → applied",
        {"renders": ("=", 1), "seconds": ("<", 1)},
    ),
    "monorepo": Bench(
        "a repository of 5,000 applications and 50,000 files, a commit that touches three: webhook → assigned",
        {"renders": ("=", 3), "seconds": ("<", 2), "hub_rss_mb": ("<", 400)},
    ),
    "polling": Bench(
        "100 repositories, one of them hanging, one round of polls; `slowest_other_s` is until the last of the others"
        " has been asked",
        {"ls_remotes": ("=", 100), "slowest_other_s": ("<", 5)},
    ),
    "clone": Bench(
        "the first mirror of a repository with 1 GB of history; the hub's memory with that of its Git processes",
        {"hub_rss_mb": ("<", 400)},
    ),
    "one-cluster": Bench(
        "300 applications × 10 ConfigMaps on one real control plane, one commit that changes all; `ratio` is to the"
        " server's own rate of applies, 16 in flight, measured in the same run",
        {"ratio": ("≥", 0.5), "hub_agent_cpu_s": ("<", 30)},
        "every object that changed is two requests, a dry run before the first write and the apply, so about 0.54 is"
        " all that could be had of a machine that did nothing else. The rest is processor: of the 22 s that two cores"
        " have in that time, API server and etcd use 11, the hub (300 renders) 7, the agent 3.7.",
    ),
    "drift": Bench(
        "100 edits and deletions behind its back on the real control plane: visible in the hub; healed",
        {"seen_p99_s": ("<", 0.3), "healed_p50_s": ("<", 0.15), "healed_p99_s": ("<", 0.5)},
    ),
    "engine": Bench(
        "plan, differences and health of one application of 5,000 objects, the engine's time only",
        {"seconds": ("<", 1), "rss_mb": ("<", 150)},
    ),
    "steady": Bench(
        "10,000 managed resources on one real control plane, 100 updates of their status a second, nothing drifting",
        {"cpu_percent": ("<", 10), "api_requests": ("=", 0)},
    ),
    "health-latency": Bench(
        "the health of a watched object on the real control plane: its event → known in the hub",
        {"p99_s": ("<", 1)},
    ),
    "waves": Bench(
        "one commit that changes 20 waves of five healthy objects on the real control plane; `idle_s` is what it takes"
        " beyond the 2 s between one wave and the next",
        {"idle_s": ("<", 2)},
    ),
    "helm": Bench(
        "1,000 applications over 20 charts, each with values of its own: resolved, scanned, rendered and stored;"
        " the same again; `ratio` is one application's time over that of the process `helm template`",
        {"ratio": ("≤", 0.5), "seconds": ("≤", 5), "repeat_renders": ("=", 0)},
    ),
    "agent-size": Bench(
        "an agent with 100 managed resources in a real cluster of 5,000 others, at rest for a minute",
        {"rss_mb": ("≤", 60), "cpu_percent": ("<", 1)},
        "half of it is the code of shared libraries (gRPC, TLS, Python itself), which agents of one machine share.",
    ),
    "hub-size": Bench(
        "a hub with 1,000 agents at rest for a minute",
        {"rss_mb": ("≤", 300), "cpu_percent": ("<", 5)},
        "156 MB are the hub without any agent; each agent that is connected takes about 120 KB, for gRPC's connection"
        " with the state of its TLS, and for its session.",
    ),
}


def met(comparison: str, limit: float, value: float) -> bool:
    return {"<": value < limit, "≤": value <= limit, "≥": value >= limit, "=": value == limit}[comparison]


def write_page(results: Mapping[str, Mapping[str, float]], page: Path | None = None) -> None:
    """Put the figures into the page, between its marks; what is around them stays. No figures: it did not finish."""
    page = page or PAGE
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN} and {END} to put the figures between")
    page.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}", "utf-8")


def table(results: Mapping[str, Mapping[str, float]]) -> str:
    """Return the figures in Markdown, those that fall short in bold."""
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {_machine()}, hub, agents and clusters together on it.",
        "",
        "| Bench | Work | Reach | Measured |",
        "|---|---|---|---|",
    ]
    for name, figures in results.items():
        bench = BENCHES[name]
        reach = ", ".join(f"`{key}` {how} {limit:g}" for key, (how, limit) in bench.reach.items())
        cells = ", ".join(_cell(bench, key, value) for key, value in figures.items())
        lines.append(f"| `{name}` | {bench.work} | {reach} | {cells or '**did not finish**'} |")
    reasons = [f"- `{name}`: {BENCHES[name].reason}" for name, figures in results.items() if _is_short(name, figures)]
    return "\n".join([*lines, *(["", "What falls short, and why:", "", *reasons] if reasons else [])])


def _is_short(name: str, figures: Mapping[str, float]) -> bool:
    return any(
        not met(*BENCHES[name].reach[key], value) for key, value in figures.items() if key in BENCHES[name].reach
    )


def _cell(bench: Bench, key: str, value: float) -> str:
    short = key in bench.reach and not met(*bench.reach[key], value)
    # Not :g, which rounds to six digits: 100,000 assignments are not 1e+05.
    return f"`{key}` **{value}** (short)" if short else f"`{key}` {value}"


def _machine() -> str:
    cores = os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), model)
    return f"{cores} cores of {model}, {memory:.0f} GiB of memory, CPython {platform.python_version()}"
