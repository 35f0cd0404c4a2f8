"""The sweep command: configurations × settings × seeds, in parallel, locally or on a cluster."""

from pathlib import Path

import click

from rlkit.launchers.arguments import UserPath


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("configs", nargs=-1, required=True, type=UserPath(), metavar="CONFIG...")
@click.option("--seeds", metavar="SEEDS", help="Such as 1-5 or 1,4,7; default: each CONFIG's own.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=A,B",
    help="Change a setting; several values give one run each. Repeat to run all combinations.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Number of runs at a time. Default: 1; on Ray, as many as the cluster can run.",
)
@click.option(
    "--threads",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Threads per run, unless its configuration or --set gives a number.",
)
@click.option("--name", metavar="NAME", help="Prefix of the run names.")
@click.option("--gpu", type=click.IntRange(min=0), metavar="N", help="Train on GPU N.")
@click.option("--cpu", is_flag=True, help="Train on the CPU.")
@click.option("--debug", is_flag=True, help="Smoke runs of about a minute each.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Run on this machine, or on a Ray cluster.",
)
@click.option("--address", metavar="HOST:PORT", help="Ray cluster; default: start one.")
@click.option(
    "--print",
    "printed",
    type=click.Choice(["shell", "slurm"]),
    help="Print the commands, or a SLURM array script, instead of running.",
)
def main(
    configs: tuple[Path, ...],
    seeds: str | None,
    settings: tuple[str, ...],
    jobs: int | None,
    threads: int,
    name: str | None,
    gpu: int | None,
    cpu: bool,
    debug: bool,
    engine: str,
    address: str | None,
    printed: str | None,
) -> None:
    """Run each CONFIG with each combination of settings and each seed.

    A run is stored in output/<env>/<name>, named after its settings. Repeating the command skips
    complete runs and resumes the others.

    Exit codes: 0 all runs are complete; 1 some are not, and are listed with their logs; 2 bad
    input; 129, 130 or 143 stopped by a signal.
    """
    if cpu and gpu is not None:
        raise click.UsageError("--cpu and --gpu exclude each other")
    if address is not None and engine != "ray":
        raise click.UsageError("--address needs --engine ray")
    changes = list(settings)
    changes += ["util_params.use_gpu=true", f"util_params.gpu_id={gpu}"] if gpu is not None else []
    changes += ["util_params.use_gpu=false"] if cpu else []
    changes += ["util_params.debug=true"] if debug else []

    # Imported here, so that --help and usage errors respond quickly.
    from rlkit.launchers.sweep_command import Where, sweep

    where = Where(engine, address, -1 if jobs is None and engine == "ray" else jobs or 1, threads)
    sweep(configs, changes, seeds, name, where, printed)


if __name__ == "__main__":
    main()
