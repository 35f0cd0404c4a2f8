"""The train command: run one experiment from a JSON file, or resume a stopped one."""

from importlib.util import find_spec
from pathlib import Path

import click

from rlkit.launchers.arguments import UserPath


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("config", required=False, type=UserPath())
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of all random numbers except the task set."
)
@click.option(
    "--seeds",
    metavar="SEEDS",
    help="Train one run per seed, such as 1-5 or 1,4,7; on a GPU, all at the same time.",
)
@click.option("--gpu", type=click.IntRange(min=0), metavar="N", help="Train on GPU N.")
@click.option("--cpu", is_flag=True, help="Train on the CPU.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting, such as algo_params.batch_size=64. Repeatable.",
)
@click.option(
    "--resume",
    type=UserPath(),
    metavar="RUN_DIR",
    help="Resume the run in this folder.",
)
@click.option("--name", metavar="NAME", help="Name the run folder: output/<env>/NAME.")
@click.option(
    "--start-or-resume",
    is_flag=True,
    help="Resume the run with this --name, or start it if there is none; for requeued jobs.",
)
@click.option("--debug", is_flag=True, help="A one-minute smoke run, in output/<env>/debug.")
@click.option("--docker", is_flag=True, hidden=True, help="Accepted for oyster; no effect.")
@click.option(
    "--print-config",
    is_flag=True,
    help="Print the complete configuration and the estimated cost instead of running.",
)
def main(
    config: Path | None,
    seed: int | None,
    seeds: str | None,
    gpu: int | None,
    cpu: bool,
    settings: tuple[str, ...],
    resume: Path | None,
    name: str | None,
    start_or_resume: bool,
    debug: bool,
    docker: bool,
    print_config: bool,
) -> None:
    """Train on the tasks of CONFIG, a JSON file or a shipped one such as quick/point-robot.

    Exit codes: 0 done; 2 bad input; 3 non-finite numbers; 4 disk or memory exhausted; 129, 130,
    141 or 143 stopped by a signal. With --seeds also 1: some runs are not complete, and are listed.
    """
    if cpu and gpu is not None:
        raise click.UsageError("--cpu and --gpu exclude each other")
    if config is None and resume is None:
        raise click.UsageError("expected CONFIG, a JSON file, or --resume RUN_DIR")
    if resume is not None and name is not None:
        raise click.UsageError("--name and --resume exclude each other: that run has a name")
    if start_or_resume and name is None:
        raise click.UsageError("--start-or-resume needs --name, which identifies the run")
    if seeds is not None:
        others = {"--seed": seed is not None, "--resume": resume is not None}
        others |= {"--print-config": print_config}
        for other in (option for option, given in others.items() if given):
            raise click.UsageError(f"--seeds and {other} exclude each other")
    if find_spec("fcntl") is None:
        raise click.UsageError("Windows is not supported: use Linux, WSL for example")
    changes = list(settings)
    changes += [f"seed={seed}"] if seed is not None else []
    changes += ["util_params.use_gpu=true", f"util_params.gpu_id={gpu}"] if gpu is not None else []
    changes += ["util_params.use_gpu=false"] if cpu else []
    changes += ["util_params.debug=true"] if debug else []

    # Imported here, so that --help and usage errors respond quickly.
    if config is not None and seeds is not None:
        from rlkit.launchers.seeds import launch_seeds

        launch_seeds(config, changes, seeds, name=name, start_or_resume=start_or_resume)
        return
    from rlkit.launchers.command import launch

    launch(
        config,
        changes,
        resume,
        name=name,
        start_or_resume=start_or_resume,
        print_config=print_config,
    )


if __name__ == "__main__":
    main()
