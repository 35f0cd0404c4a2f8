"""The first gradient step of a new humanoid-dir run, compared with a published run of oyster.

    python -m benchmarks.studies.humanoid_first_row FOLDER

Networks, meta-batch, batch and context are as shipped. The only difference is the size of the pool
that the rows are drawn from: 200 steps of every train task (`--initial-steps`) instead of 2,000.
Before anything is learned, these columns check the initial weights, product of Gaussians and KL,
the reward and its scale, and log pi. Runs are made with contact forces, as shipped, and without,
because MuJoCo since 2.0 leaves them at zero unless they are requested.
"""

import csv
from dataclasses import replace
from pathlib import Path

import click

from rlkit.core.algorithm import NoLoop
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.pearl_config import PEARLExperiment
from rlkit.torch.execution import torch_threads
from rlkit.torch.sac.columns import TRAINED

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "humanoid-dir.json"

# Row 0, columns 1 to 27, of output/humanoid-dir/2021_03_08_13_46_45/progress.csv in ZiyiLiubird/CRL
# at 574fdf5e: oyster's code with oyster's humanoid-dir.json, one seed, 206,461 steps collected.
REFERENCE = (
    0.0136108175, 0.002697768, 196.73352, 19.673353, 1190.5638, 131.03583, -11.447098,
    0.008023704, 0.011687594, 0.04693871, -0.033763845,
    0.035268847, 0.014373694, 0.08310493, -0.009333231,
    -11.382479, 0.8977167, -8.295176, -14.789425,
    -0.0011839368, 0.0076679555, 0.036166187, -0.031619225,
    0.0006211934, 0.0069705048, 0.035065446, -0.025709204,
)  # fmt: skip


def first_row(config: PEARLExperiment, seed: int) -> dict[str, float]:
    """Collect a new run's first data, take one gradient step and return oyster's 27 columns."""
    experiment = PEARL().build(config, "cpu", seed)
    algorithm = experiment.algorithm
    algorithm.collect_data(0, NoLoop())
    statistics = algorithm.trainer.train(algorithm.replay_buffer, algorithm.encoder_buffer, 1)
    experiment.env.close()
    return {name: statistics[name] for name in TRAINED}


def small_pool(
    config: PEARLExperiment, initial_steps: int, contact_forces: bool
) -> PEARLExperiment:
    """Reduce the collection before the first step, and enable or disable contact forces."""
    algo = replace(config.algo_params, num_initial_steps=initial_steps, num_tasks_sample=1)
    util = replace(
        config.util_params, torch_threads=1, physics_threads=1, matmul="default", slice_rows=0
    )
    env_params = {**config.env_params, "contact_forces": contact_forces}
    return replace(config, env_params=env_params, algo_params=algo, util_params=util)


def markdown(runs: dict[str, list[dict[str, float]]]) -> str:
    """One row per column: smallest and largest value over seeds of each variant, and reference."""
    lines = [f"| column | {' | '.join(runs)} | reference |", "|---|---|" + "---|" * len(runs)]
    for i, reference in enumerate(REFERENCE):
        values = [[list(row.values())[i] for row in rows] for rows in runs.values()]
        ranges = " | ".join(f"{min(of_kind):.4g} … {max(of_kind):.4g}" for of_kind in values)
        lines.append(f"| `{list(next(iter(runs.values()))[0])[i]}` | {ranges} | {reference:.4g} |")
    return "\n".join(lines) + "\n"


def write_csv(path: Path, runs: dict[str, list[dict[str, float]]]) -> None:
    """One row per run, the reference first."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["run", "seed", *next(iter(runs.values()))[0]])
        writer.writerow(["reference", "", *REFERENCE])
        for kind, rows in runs.items():
            writer.writerows([kind, seed, *row.values()] for seed, row in enumerate(rows))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--seeds",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    help="Fresh runs: seeds 0, 1, ...",
)
@click.option(
    "--initial-steps",
    default=200,
    show_default=True,
    type=click.IntRange(min=1),
    help="Transitions per train task.",
)
def main(folder: Path, seeds: int, initial_steps: int) -> None:
    """Write first_row.csv and first_row.md to FOLDER."""
    runs: dict[str, list[dict[str, float]]] = {}
    with exit_codes(), torch_threads(1):
        shipped = load_config(CONFIG)
        for kind, contact_forces in (("as shipped", True), ("no contact forces", False)):
            config = small_pool(shipped, initial_steps, contact_forces)
            runs[kind] = [first_row(config, seed) for seed in range(seeds)]
            divergences = ", ".join(f"{row['KL Divergence']:.2f}" for row in runs[kind])
            click.echo(f"{kind}: KL Divergence {divergences}; reference {REFERENCE[2]:.2f}")
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(folder / "first_row.csv", runs)
        (folder / "first_row.md").write_text(markdown(runs))
    click.echo(f"wrote first_row.csv and first_row.md to {folder}")


if __name__ == "__main__":
    main()
