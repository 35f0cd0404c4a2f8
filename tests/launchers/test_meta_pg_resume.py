"""Policy-gradient runs stopped inside an iteration resume as if they had not been."""

from pathlib import Path

import pytest

from rlkit.core.checkpoint import Checkpoint
from rlkit.core.logger import Logger
from rlkit.core.outer_loop import Schedule
from rlkit.core.restored_tables import truncate_tables
from rlkit.core.rl_algorithm import train
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.restore import restore_state
from tests.core.loop_toys import RecordingDisplay
from tests.meta_pg_runs import METHODS, config, rows
from tests.tiny_runs import same_weights


class Stopped(Exception):
    pass


def run(folder: Path, method: str, stop_at=None, *, resume: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    changes = {"kl_target": 0.01} if method == "promp" else {}
    settings = config(method, **changes)
    experiment = launcher_for(settings).build(settings, "cpu", 3)
    logger, checkpoint = Logger(folder), Checkpoint(folder)
    start, state = 0, None
    try:
        if resume:
            iteration, state = checkpoint.load(experiment.algorithm.buffers, warn=print)
            restore_state(experiment.algorithm, state, folder)
            start = iteration + 1
            truncate_tables(logger, iteration, ["online_returns"])
        train(
            experiment.algorithm,
            logger,
            checkpoint,
            Schedule(3),
            display=RecordingDisplay(stop_at, Stopped()),
            start_iteration=start,
            resumed=state,
        )
    finally:
        experiment.close()


@pytest.mark.parametrize("method", METHODS)
def test_a_run_stopped_while_it_collects_or_trains_equals_an_uninterrupted_one(method, tmp_path):
    whole = tmp_path / "whole"
    run(whole, method)
    collecting = 8 if method == "rl2" else 24  # ticks count trajectories, the last is the last's
    for number, stop_at in enumerate([(1, collecting), (2, 1)]):
        folder = tmp_path / f"stopped{number}"
        with pytest.raises(Stopped):
            run(folder, method, stop_at)
        run(folder, method, resume=True)
        assert rows(folder) == rows(whole)
        assert same_weights(folder, whole)
        tables = [(f / "online_returns.csv").read_text() for f in (folder, whole)]
        assert tables[0] == tables[1]
