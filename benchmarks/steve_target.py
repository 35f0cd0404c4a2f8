"""CPU time of STEVE's target batch compared with a plain twin and the arithmetic floor.

The updates of a frame are compared with the floor too.

python -m benchmarks.steve_target [--threads 1,2] [--repeats 10]

Sizes are those of HalfCheetah: ensembles of 4, horizon 3, 512 rows. Figures are the minimum CPU
seconds over all repeats, measured in turns. The floor is the number of multiplications and
additions divided by the rate of a 1,024^3 float32 product on the faster of two routes, torch's own
and oneDNN (`benchmarks.pets_plan`).
"""

from collections.abc import Callable
from typing import Any

import click
import torch

from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result
from benchmarks.pets_plan import SIDE, least_cpu_seconds, products
from rlkit.launchers.machine import keep_freed_memory
from rlkit.launchers.steve_estimates import build
from rlkit.torch.execution import torch_threads
from rlkit.torch.steve.config import STEVESettings
from rlkit.torch.steve.learners import Learners
from rlkit.torch.steve.world_model import Transitions
from tests.reference.plain_steve import PlainSTEVE

OBS, ACT, ROWS = 17, 6, 512
UPDATES = 4  # of each learner per frame


def macs(inputs: int, width: int, layers: int, outputs: int) -> int:
    """Multiply-adds of an MLP on one row."""
    return inputs * width + (layers - 2) * width**2 + width * outputs


POLICY, CRITIC = macs(OBS, 128, 4, ACT), macs(OBS + ACT, 128, 4, 1)
TRANSITION, AUX = macs(OBS + ACT, 512, 8, OBS), macs(2 * OBS + ACT, 128, 4, 1)


def target_flops(horizon: int = 3, members: int = 4) -> int:
    """Multiplications and additions of a target batch."""
    lengths = horizon + 1
    row = lengths * members * (POLICY + members * CRITIC)
    row += horizon * members * (TRANSITION + AUX + members * AUX)
    return 2 * ROWS * row


def frame_flops() -> int:
    """Those of all updates of a frame: forward 1, backward 2, each row through its own member.

    The policy's pass through the 4 critics has gradients of its inputs only.
    """
    policy = target_flops() + 2 * ROWS * (3 * POLICY + 3 * CRITIC + 2 * 4 * CRITIC)
    model = 2 * ROWS * 3 * (TRANSITION + 2 * AUX)
    return UPDATES * (policy + model)


def make() -> tuple[Learners, Transitions]:
    """Untrained learners, and a batch of random transitions."""
    built = build(STEVESettings(), OBS, ACT, torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(4096, sum(built.buffer.columns), generator=generator)
    rows[:, -1] = (rows[:, -1] > 2).float()
    built.buffer.add_rows(0, rows)
    return built, built._batch(ROWS)


def twin_of(built: Learners) -> PlainSTEVE:
    """The twin, with the same weights."""
    assert built.snapshot is not None
    return PlainSTEVE(built.value, built.snapshot, 3, 0.99)


def runs() -> dict[str, Callable[[], object]]:
    """A target batch of the twin and of ours, and the updates of a frame."""
    built, batch = make()
    twin = twin_of(built)

    def frame() -> None:
        for _ in range(UPDATES):
            for learner in (built.model_learner, built.policy_learner):
                assert learner is not None
                learner.steps.take(1)

    return {
        "twin": lambda: twin.targets(batch),
        "ours": lambda: built.value.targets(batch),
        "frame": within(built, frame),
    }


def within(built: Learners, frame: Callable[[], None]) -> Callable[[], None]:
    """The updates as a run takes them: with its threads."""

    def run() -> None:
        threads = torch.get_num_threads()
        with built.running(), torch_threads(threads):
            frame()

    return run


@click.command()
@click.option("--threads", default="1,2", show_default=True, help="Numbers, with commas.")
@repeats_option(10)
@write_option
def main(threads: str, repeats: int, write: bool) -> None:
    """Measure a target batch and a frame; see the module's own text."""
    keep_freed_memory()
    rows: list[list[Any]] = []
    with Watch() as watch:
        for number in map(int, threads.split(",")):
            with torch_threads(number):
                measured = runs()
                found = least_cpu_seconds({**products(), **measured}, repeats)
            rates = [2 * SIDE**3 / found[route][0] for route in products()]
            floors = target_flops() / max(rates), frame_flops() / max(rates)
            twin, ours, frame = (found[name] for name in ("twin", "ours", "frame"))
            for what, plain, measure, floor in (
                ("target batch", twin[0], ours, floors[0]),
                ("updates of a frame", None, frame, floors[1]),
            ):
                figures = [1e3 * measure[0], 1e3 * measure[1], 1e3 * floor]
                ratio = None if plain is None else plain / measure[0]
                twins = None if plain is None else 1e3 * plain
                rows.append([number, what, twins, *figures, ratio, measure[0] / floor])
                faster = "" if ratio is None else f"{ratio:.2f} x as fast as the twin, "
                click.echo(
                    f"{number} threads, {what}: {figures[0]:.0f} CPU ms, {faster}"
                    f"{rows[-1][-1]:.2f} x the floor; GFLOP per CPU second "
                    f"{', '.join(f'{rate / 1e9:.0f}' for rate in rates)}"
                )
    if write:
        cpu = [Value(f"{which}, CPU ms", 1) for which in ("twin", "ours")]
        values = [*cpu, Value("ours, ms", 1, wall=True), Value("floor, CPU ms", 1)]
        values += [Value("twin / ours", 2), Value("ours / floor", 2)]
        tables = [Table("Target batch and frame of STEVE", ["threads", "what"], values, rows)]
        command = f"python -m benchmarks.steve_target --threads {threads} --repeats {repeats}"
        click.echo(f"wrote {write_result('steve_target', tables, watch, command=command)}")


if __name__ == "__main__":
    main()
