"""Machine and load of a benchmark, the file with its results, and options that all share."""

import json
import os
import re
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from rlkit.launchers.machine import machine, versions

F = TypeVar("F", bound=Callable[..., Any])
RESULTS = Path(__file__).parent / "results"
BUSY = 0.1  # cores used by other processes, from which on wall-clock figures are marked
GB = 1e9

write_option = click.option(
    "--write/--no-write",
    default=True,
    show_default=True,
    help="Keep the figures in benchmarks/results.",
)


def repeats_option(default: int) -> Callable[[F], F]:
    """Option --repeats: how often each side is measured."""
    return click.option(
        "--repeats",
        default=default,
        show_default=True,
        type=click.IntRange(min=1),
        help="Measurements of each side.",
    )


@dataclass(frozen=True)
class Value:
    """A column: name, digits shown, and whether other processes distort it (wall-clock time)."""

    name: str
    digits: int = 0
    wall: bool = False


@dataclass(frozen=True)
class Table:
    """Figures of one run.

    Attributes:
        title: heading; tables of the same title from several machines become one.
        labels: names of the columns that say what a row is about.
        values: columns of figures.
        rows: per row its labels, then its figures; None where there is none.
        note: a sentence or two below the heading.
    """

    title: str
    labels: Sequence[str]
    values: Sequence[Value]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclass
class Watch:
    """A context that measures the machine's load, and the CPU time of other processes."""

    load_before: float = 0.0
    load_after: float = 0.0
    others: float | None = None
    _start: tuple[float, float, float] | None = field(default=None, repr=False)

    def __enter__(self) -> "Watch":
        self.load_before = os.getloadavg()[0]
        self._start = _cpu_seconds()
        return self

    def __exit__(self, *exception: object) -> None:
        self.load_after = os.getloadavg()[0]
        end = _cpu_seconds()
        if self._start is not None and end is not None:
            uptime, all_cpus, own = (now - then for now, then in zip(end, self._start, strict=True))
            self.others = max(0.0, (all_cpus - own) / uptime) if uptime > 0 else None

    def record(self) -> dict[str, Any]:
        """One-minute load averages, mean cores used by others, and whether the machine is busy."""
        # Without CPU times of the system, the load average has to serve.
        used = self.load_before if self.others is None else self.others
        return {
            "load_before": round(self.load_before, 2),
            "load_after": round(self.load_after, 2),
            "others_cores": None if self.others is None else round(self.others, 2),
            "busy": used > BUSY,
        }


def _cpu_seconds() -> tuple[float, float, float] | None:
    """Seconds since boot, CPU seconds of all processes, and of this one and its ended children."""
    try:
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(
            int, Path("/proc/stat").read_text().split()[1:9]
        )
    except (OSError, ValueError):
        return None
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    used = (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")
    return uptime, used, sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_bytes() -> int:
    """Peak resident size of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def result_path(folder: Path, benchmark: str, on: Mapping[str, Any]) -> Path:
    """Name the results file of a benchmark after the machine, so that each has its own file."""
    parts = [on["cpu"], f"{on['cpus']} cpus", on["gpu"] or ""]
    return (
        folder
        / f"{benchmark}-{re.sub(r'[^a-z0-9]+', '-', ' '.join(parts).lower()).strip('-')}.json"
    )


def write_result(
    benchmark: str,
    tables: Sequence[Table],
    watch: Watch,
    *,
    command: str,
    details: Mapping[str, Any] | None = None,
    device: str = "cpu",
    folder: Path = RESULTS,
) -> Path:
    """Write a benchmark's results with their conditions, for `python -m benchmarks.report`.

    Args:
        benchmark: name of the module that measured.
        tables: what the page shows.
        watch: the load during the measurement, which has ended.
        command: the command line.
        details: further figures, not shown on the page.
        device: name of the torch device that was measured.
        folder: folder of the results.
    Returns:
        Path of the file.
    """
    on = machine(device)
    content = {
        "benchmark": benchmark,
        "command": command,
        "machine": on,
        "versions": versions(),
        **watch.record(),
        "tables": [asdict(table) for table in tables],
        "details": dict(details or {}),
    }
    path = result_path(folder, benchmark, on)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path
