"""Memory of a whole run: replay storage (computed) and the rest of the process (measured).

python -m benchmarks.replay_memory [--config configs/cheetah-vel.json] [--tasks 20]

The replay storage is computed with the buffers' own bookkeeping: rings on the meta device, which
hold no data, follow the schedule of the whole run, and their pages are counted. A partly filled
page counts as a whole one.

The rest is measured on a part of the run, in a separate process: the first iteration (collection,
training, evaluation, checkpoint) with fewer train tasks and a few gradient steps. *Besides the
storage* is the peak of that process minus the computed storage of the part. Adding the storage of
the whole run gives the peak of the whole run. Blocks of collection overshoot if episodes end early;
the amount is measured on the part as well.

As a check, the resident memory of the buffers at the end of the part is shown next to their
computed pages. It can be smaller, because only the written part of a page is resident. Exits 1
above a limit.
"""

import ctypes
import json
import mmap
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch

from benchmarks.machine import GB, Table, Value, Watch, peak_bytes, write_option, write_result
from rlkit.core.algorithm import NoLoop
from rlkit.core.checkpoint import Checkpoint
from rlkit.core.seeding import stream
from rlkit.data_management.paged_rings import PagedRings
from rlkit.launchers.load_config import load_config
from rlkit.launchers.machine import keep_freed_memory
from rlkit.launchers.pearl import PEARL
from rlkit.torch.execution import torch_threads

CONFIGS = ("configs/cheetah-vel.json", "configs/humanoid-dir.json")
LIMITS = {"cheetah-vel": (0.65, 1.5), "humanoid-dir": (9.0, 10.5)}  # GB: replay storage, process


class Storage(NamedTuple):
    """Rows of the RL and encoder buffer at the end, and bytes.

    `data` counts these rows, `pages` their pages, and `most` the most pages at any time of the run.
    """

    replay_rows: int
    encoder_rows: int
    data: int
    pages: int
    most: int


def projected_storage(
    config: Any, row_bytes: int, num_iterations: int, excess: float = 1.0
) -> Storage:
    """Follow the schedule of a run and count rows and pages.

    Args:
        config: checked.
        row_bytes: of one row.
        num_iterations: how many of its iterations.
        excess: rows collected by a block, as a multiple of those requested.
    """
    algo, tasks = config.algo_params, config.n_train_tasks
    replay, encoder = (
        PagedRings(
            tasks, row_bytes, capacity=algo.replay_buffer_size, dtype=torch.uint8, device="meta"
        )
        for _ in range(2)
    )
    page_rows = replay.pages.page_rows

    def append(rings: PagedRings, task_ids: np.ndarray, count: int) -> None:
        counts = np.full(len(task_ids), count)
        rows = torch.empty(int(counts.sum()), row_bytes, dtype=torch.uint8, device="meta")
        rings.append(task_ids, counts, rows)

    first, to_encoder, extra = (
        round(excess * steps)
        for steps in (
            algo.num_initial_steps,
            algo.num_steps_prior + algo.num_steps_posterior,
            algo.num_extra_rl_steps_posterior,
        )
    )
    for rings in (replay, encoder):
        append(rings, np.arange(tasks), first)
    visit_pages = algo.num_tasks_sample * -(-to_encoder // page_rows)
    most, page_bytes = 0, page_rows * row_bytes

    def pages() -> int:
        return replay.pages.num_owned + encoder.pages.num_owned

    for iteration in range(num_iterations):
        draws = stream(0, "visits", iteration).integers(tasks, size=algo.num_tasks_sample)
        append(replay, draws, to_encoder + extra)
        most = max(most, visit_pages + pages())
        for task in draws:
            encoder.clear(task)
            append(encoder, np.array([task]), to_encoder)
    rows = replay.num_rows, encoder.num_rows
    return Storage(*rows, sum(rows) * row_bytes, pages() * page_bytes, most * page_bytes)


def resident_bytes(tensor: torch.Tensor) -> int:
    """Bytes of a tensor that are in memory, by page, as reported by the kernel (Linux)."""
    size = tensor.numel() * tensor.element_size()
    flags = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mincore(ctypes.c_void_p(tensor.data_ptr()), ctypes.c_size_t(size), flags) != 0:
        raise OSError(ctypes.get_errno(), "mincore failed")
    return mmap.PAGESIZE * int((np.frombuffer(flags, np.uint8) & 1).sum())


def measure_part(path: str, settings: list[str], num_steps: int) -> dict[str, float]:
    """Run the first iteration in this process; sizes in bytes.

    Returns:
        `row_bytes`; `excess`, collected rows over requested rows; `stores`, resident memory of the
        buffers; `before` and `peak`, memory of the process before building and at its maximum.
    """
    config = load_config(path, settings)
    algo, before = config.algo_params, peak_bytes()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder, torch_threads(1):
        experiment = PEARL().build(config, "cpu", 0)
        algorithm = experiment.algorithm
        trainer = algorithm.trainer
        trainer.config = replace(trainer.config, num_train_steps_per_itr=num_steps)
        algorithm.collect_data(0, NoLoop())
        algorithm.do_training(0, NoLoop())
        algorithm.evaluate(0, NoLoop())
        Checkpoint(Path(folder)).save(
            0, {"algorithm": algorithm.state_dict(), "clock": {}}, algorithm.buffers
        )
        experiment.env.close()
        rows = algorithm.replay_buffer.num_rows
        row_bytes = algorithm.replay_buffer.row_bytes
        per_visit = (
            algo.num_steps_prior + algo.num_steps_posterior + algo.num_extra_rl_steps_posterior
        )
        asked = config.n_train_tasks * algo.num_initial_steps + algo.num_tasks_sample * per_visit
        stores = sum(
            resident_bytes(buffer.rows.pages.data) for buffer in algorithm.buffers.values()
        )
        return {
            "row_bytes": row_bytes,
            "excess": rows / asked,
            "stores": stores,
            "before": before,
            "peak": peak_bytes(),
        }


@click.command()
@click.option(
    "--config",
    "paths",
    multiple=True,
    default=CONFIGS,
    show_default=True,
    help="A JSON; may be given again.",
)
@click.option(
    "--tasks",
    default=20,
    show_default=True,
    type=click.IntRange(min=1),
    help="Train tasks of the part.",
)
@click.option(
    "--steps",
    default=20,
    show_default=True,
    type=click.IntRange(min=1),
    help="Gradient steps of the part.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting of the part."
)
@write_option
def main(
    paths: tuple[str, ...], tasks: int, steps: int, settings: tuple[str, ...], write: bool
) -> None:
    """Project the memory of whole runs; see the module's own text."""
    storages, processes, above = [], [], False
    with Watch() as watch:
        for path in paths:
            whole, name = load_config(path), Path(path).stem
            changes = [f"n_train_tasks={tasks}", "seed=0", *settings]
            code = f"import json; from {__spec__.name} import measure_part; "
            code += f"print(json.dumps(measure_part({path!r}, {changes!r}, {steps})))"
            done = subprocess.run(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
            )
            part = json.loads(done.stdout)
            row_bytes = part["row_bytes"]
            stored = projected_storage(load_config(path, changes), row_bytes, 1, part["excess"])
            of_run = projected_storage(
                whole, row_bytes, whole.algo_params.num_iterations, part["excess"]
            )
            beside = part["peak"] - stored.most
            peak = beside + of_run.most
            limits = LIMITS.get(name, (None, None))
            above |= any(
                limit is not None and size > limit * GB
                for size, limit in zip((of_run.most, peak), limits, strict=True)
            )
            figures = [
                row_bytes,
                of_run.replay_rows,
                of_run.encoder_rows,
                of_run.data / GB,
                of_run.most / GB,
                limits[0],
            ]
            storages.append([name, *figures])
            sizes = [
                size / GB
                for size in (
                    stored.pages,
                    part["stores"],
                    part["before"],
                    part["peak"],
                    beside,
                    peak,
                )
            ]
            processes.append(
                [name, f"{tasks} tasks, excess {part['excess']:.3f}", *sizes, limits[1]]
            )
            click.echo(
                f"{name}: replay storage {of_run.most / GB:.2f} GB"
                f" (rows {of_run.data / GB:.2f}), peak {peak / GB:.2f} GB"
            )
            click.echo(
                f"  part: storage {sizes[0]:.3f} GB, resident {sizes[1]:.3f},"
                f" peak {sizes[3]:.2f}, beside {sizes[4]:.2f}"
            )
    if write:
        storage_values = [
            Value("bytes a row"),
            Value("RL rows"),
            Value("encoder rows"),
            Value("rows, GB", 2),
        ]
        storage_values += [Value("with page slack, GB", 2), Value("limit, GB", 2)]
        names = (
            "storage by the layout, GB",
            "resident of it, GB",
            "before the build, GB",
            "peak, GB",
            "beside the storage, GB",
        )
        process_values = [
            *(Value(name, 3) for name in names),
            Value("peak of the whole run, GB", 2),
            Value("limit, GB", 2),
        ]
        tables = [
            Table(
                "Replay storage of the whole run, projected",
                ["configuration"],
                storage_values,
                storages,
            ),
            Table(
                "The process, from a part of the run",
                ["configuration", "part"],
                process_values,
                processes,
            ),
        ]
        command = "python -m benchmarks.replay_memory"
        click.echo(f"wrote {write_result('replay_memory', tables, watch, command=command)}")
    if above:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
