"""Time from the start of the program to the end of the first gradient step, in fresh processes.

python -m benchmarks.start_time [--config configs/cheetah-vel.json] [--threads 2] [--repeats 5]

Until then `launch_experiment.py` imports, reads the configuration, chooses settings for the
machine, builds the experiment, writes the first checkpoint, collects the initial pool (cheetah-vel:
200,000 environment steps) and the first iteration's visits, and takes a gradient step.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result
from rlkit.core.algorithm import NoLoop
from rlkit.core.loop import Progress

CONFIG = "configs/cheetah-vel.json"
TOTAL = "all, with the interpreter's own start"


def measure_start(config_path: str, settings: list[str]) -> dict[str, tuple[float, float]]:
    """Run all parts in this process; returns wall-clock and CPU seconds of each, in order."""
    seconds: dict[str, tuple[float, float]] = {}
    marks = time.perf_counter(), 0.0  # CPU time counts from the interpreter's start

    def done(part: str) -> None:
        nonlocal marks
        now = time.perf_counter(), time.process_time()
        seconds[part] = now[0] - marks[0], now[1] - marks[1]
        marks = now

    from rlkit.core.checkpoint import Checkpoint
    from rlkit.launchers.choices import resolve
    from rlkit.launchers.load_config import load_config
    from rlkit.launchers.machine import keep_freed_memory
    from rlkit.launchers.pearl import PEARL
    from rlkit.torch.execution import torch_threads

    done("import")
    requested = load_config(config_path, settings)
    done("configuration")
    config = resolve(requested)
    done("choices")
    experiment = PEARL().build(config, "cpu", 0)
    done("build")
    keep_freed_memory()
    algorithm = experiment.algorithm
    with tempfile.TemporaryDirectory() as folder, torch_threads(1):
        Checkpoint(Path(folder)).save(
            -1, {"algorithm": algorithm.state_dict(), "clock": {}}, algorithm.buffers
        )
        done("first checkpoint")
        progress = Progress(NoLoop(), total=0)
        algorithm.collection.collect_initial_pool(progress)
        done("initial pool")
        algorithm.collection.collect_visits(0, progress)
        algorithm.collection.end(0)
        done("visits")
        algorithm.trainer.train(*algorithm.buffers.values(), 1)
        done("gradient step")
    experiment.env.close()
    return seconds


@click.command()
@click.option("--config", "path", default=CONFIG, show_default=True, help="A JSON.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(min=1))
@repeats_option(5)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@write_option
def main(path: str, threads: int, repeats: int, settings: tuple[str, ...], write: bool) -> None:
    """Measure the start of a run; see the module's own text."""
    changes = [
        *settings,
        "seed=0",
        f"util_params.torch_threads={threads}",
        f"util_params.physics_threads={threads}",
    ]
    code = f"import json; from {__spec__.name} import measure_start; "
    code += f"print(json.dumps(measure_start({path!r}, {changes!r})))"
    runs: list[dict[str, list[float]]] = []
    with Watch() as watch:
        for _ in range(repeats):
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            )
            wall, parts = time.perf_counter() - began, json.loads(done.stdout)
            runs.append({**parts, TOTAL: [wall, sum(cpu for _, cpu in parts.values())]})
    rows = []
    for part in runs[0]:
        columns = list(zip(*(run[part] for run in runs), strict=True))
        rows.append(
            [part, statistics.median(columns[0]), max(columns[0]), statistics.median(columns[1])]
        )
        click.echo(
            f"{part}: {rows[-1][1]:.2f} s (at most {rows[-1][2]:.2f}), CPU {rows[-1][3]:.2f} s"
        )
    if write:
        values = [
            Value("median, s", 2, wall=True),
            Value("slowest, s", 2, wall=True),
            Value("CPU, s", 2),
        ]
        note = f"{path}, {threads} threads, {repeats} processes one after the other."
        table = Table("Start to the first gradient step", ["part"], values, rows, note)
        options = f"--config {path} --threads {threads} --repeats {repeats}"
        command = f"python -m benchmarks.start_time {options}"
        click.echo(f"wrote {write_result('start_time', [table], watch, command=command)}")


if __name__ == "__main__":
    main()
