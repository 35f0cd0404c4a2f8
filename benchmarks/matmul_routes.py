"""CPU time of both routes of matrix products, with and without slices, by network width.

python -m benchmarks.matmul_routes [--widths 16,64,128,300,400] [--threads 1,2] [--repeats 15]

Forward and backward pass of a network with three hidden layers on 4,096 rows, a meta-batch of 16
tasks. All combinations are measured alternately, and each is compared by its median. The last lines
are rows for the table of `rlkit/launchers/routes.py`: for each width and number of threads, torch's
own route without slices, unless another combination is at least 1.05 times as fast.
"""

import statistics
import time
from collections.abc import Callable, Sequence

import click
import torch

from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result
from rlkit.launchers.routes import instruction_set
from rlkit.torch.execution import sharing_threads
from rlkit.torch.mlp_function import MATMUL_ROUTES, SLICE_ROWS, Arithmetic
from rlkit.torch.networks import Mlp

ROWS, INPUT = 4096, 31
GAIN = 1.05
Choice = tuple[str, int]  # matmul and slice_rows
CHOICES: list[Choice] = [(route, rows) for route in MATMUL_ROUTES for rows in (0, SLICE_ROWS)]


def pass_of(choice: Choice, width: int, num_threads: int) -> Callable[[], float]:
    """A function that does one forward and backward pass and returns its CPU seconds."""
    generator = torch.Generator().manual_seed(0)
    mlp = Mlp([width] * 3, INPUT, 1, generator=generator, arithmetic=Arithmetic(*choice_of(choice)))
    x = torch.randn(ROWS, INPUT, generator=generator)

    def seconds() -> float:
        with sharing_threads([mlp], num_threads):
            start = time.process_time()
            mlp(x).sum().backward()
            return time.process_time() - start

    return seconds


def choice_of(choice: Choice) -> tuple[str, str, int]:
    """The arguments of `Arithmetic`."""
    return choice[0], "float32", choice[1]


def measure(width: int, num_threads: int, repeats: int) -> dict[Choice, float]:
    """Median CPU milliseconds of every choice, measured alternately."""
    passes = {choice: pass_of(choice, width, num_threads) for choice in CHOICES}
    times: dict[Choice, list[float]] = {choice: [] for choice in CHOICES}
    for repeat in range(repeats + 2):  # the first two turns allocate
        for choice, seconds in passes.items():
            taken = seconds()
            if repeat > 1:
                times[choice].append(1e3 * taken)
    return {choice: statistics.median(found) for choice, found in times.items()}


def best_of(times: dict[Choice, float]) -> Choice:
    """The fastest choice, if it is faster than the first by `GAIN`; otherwise the first."""
    fastest = min(times, key=lambda choice: times[choice])
    return fastest if times[CHOICES[0]] / times[fastest] >= GAIN else CHOICES[0]


def numbers(text: str) -> list[int]:
    """Whole numbers, separated by commas."""
    return [int(word) for word in text.split(",")]


def table_of(rows: Sequence[Sequence[object]]) -> Table:
    """The page's table."""
    names = [f"{route}, {size or 'all'} rows at once, CPU ms" for route, size in CHOICES]
    note = f"Instruction set {instruction_set()}. 4,096 rows, three hidden layers."
    title = "Forward and backward pass of a network by route of products"
    return Table(title, ["width", "threads"], [Value(name, 1) for name in names], rows, note)


@click.command()
@click.option("--widths", default="16,64,128,300,400", show_default=True)
@click.option("--threads", default="1,2", show_default=True)
@repeats_option(15)
@write_option
def main(widths: str, threads: str, repeats: int, write: bool) -> None:
    """Measure every route; see the module's own text."""
    rows: list[list[object]] = []
    chosen: list[str] = []
    with Watch() as watch:
        for width in numbers(widths):
            for num_threads in numbers(threads):
                times = measure(width, num_threads, repeats)
                rows.append([width, num_threads, *times.values()])
                matmul, slice_rows = best_of(times)
                row = f'Row({width}, {num_threads}, "{matmul}", {slice_rows})'
                chosen.append(row)
                figures = ", ".join(f"{c[0]} {c[1]}: {ms:.1f} ms" for c, ms in times.items())
                click.echo(f"width {width}, {num_threads} threads: {figures}")
    click.echo(f'"{instruction_set()}": (')
    click.echo("".join(f"    {row},\n" for row in chosen) + "),")
    if write:
        options = f"--widths {widths} --threads {threads} --repeats {repeats}"
        command = f"python -m benchmarks.matmul_routes {options}"
        path = write_result("matmul_routes", [table_of(rows)], watch, command=command)
        click.echo(f"wrote {path}")


if __name__ == "__main__":
    main()
