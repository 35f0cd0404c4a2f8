"""A run killed ten times inside its first iteration ends as the uninterrupted one, bit for bit."""

import json
from pathlib import Path

import pytest

from rlkit.core.outer_loop import OuterLoop
from rlkit.core.saving import CheckpointWriter
from tests.tiny_runs import TINY, launch, rows, same_weights

KILLS = (1, 4, 2, 5, 9, 3, 2, 4, 1, 3)  # the tick at which each process dies
KINDS = {
    "pearl": {},
    "gru": {"algo_params": {"encoder": "gru", "embedding_batch_size": 10}},
    "image": {"obs_mode": "image", "image_size": 16},
    "hfr-q with a learned reward": {
        "env_name": "four-corners",
        "algorithm": "hfr",
        "n_train_tasks": 4,
        "n_eval_tasks": 4,
        "env_params": {"n_tasks": 4},
        "algo_params": {
            "relabel_method": "hfr-q",
            "use_learned_reward": True,
            "utility_batch_size": 5,
            "num_partition_samples": 3,
        },
    },
}


class Killed(BaseException):
    """Ends a process at once; it cannot be caught, and nothing is written."""


def configure(kind: str) -> None:
    """Write tiny.json: one lane a task, so that the initial pool has several parts."""
    changes = KINDS[kind]
    algo_params = {**TINY["algo_params"], "num_train_steps_per_itr": 12, "num_iterations": 2}
    algo_params |= changes.get("algo_params", {})
    if "encoder" in algo_params:
        del algo_params["embedding_mini_batch_size"]
    util_params = {**TINY["util_params"], "num_envs": 2, "checkpoint_minutes": 1e-9}
    changed = {**changes, "algo_params": algo_params, "util_params": util_params}
    Path("tiny.json").write_text(json.dumps({**TINY, **changed}))


def without_times(run_dir: Path) -> list[dict[str, str]]:
    return [
        {name: cell for name, cell in row.items() if "Time (s)" not in name}
        for row in rows(run_dir)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_ten_kills_inside_one_iteration_change_nothing(here, monkeypatch, kind):
    configure(kind)
    assert launch("tiny.json").exit_code == 0
    (whole,) = Path("output").glob("*/*")
    ticks, struck = [0], []
    tick = OuterLoop.tick

    def counting_tick(loop, done, total, note="", save=None):
        ticks[0] += 1
        if ticks[0] == KILLS[len(struck)]:
            place = note or ["visits", "training", "evaluation"][len(loop._finished)]
            struck.append((loop._iteration, place))
            if len(struck) % 2:  # before or after the checkpoint of this tick
                tick(loop, done, total, note, save)
            raise Killed
        tick(loop, done, total, note, save)

    arguments = ["tiny.json", "--set", 'util_params.base_log_dir="killed"']
    with monkeypatch.context() as patch:
        patch.setattr(OuterLoop, "tick", counting_tick)
        for _ in KILLS:
            ticks[0] = 0
            with pytest.raises(Killed):
                launch(*arguments)
            (run_dir,) = Path("killed").glob("*/*")
            arguments = ["--resume", run_dir]
    assert launch("--resume", run_dir).exit_code == 0
    assert {iteration for iteration, _ in struck} == {0}
    assert {place for _, place in struck} >= {"initial pool", "visits", "training"}
    assert without_times(run_dir) == without_times(whole)
    assert same_weights(run_dir, whole)


def test_a_kill_between_the_first_tables_and_their_checkpoint_leaves_no_row_twice(
    here, monkeypatch
):
    save = CheckpointWriter.save

    def killed(writer, iteration, state, buffers):
        if iteration == 0 and state["unfinished"] is None:
            raise Killed
        save(writer, iteration, state, buffers)

    assert launch("tiny.json", "--name", "whole").exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointWriter, "save", killed)
        with pytest.raises(Killed):
            launch("tiny.json", "--name", "killed")
    folder = Path("output/point-robot")
    assert len((folder / "killed" / "online_returns.csv").read_text().splitlines()) == 5
    assert launch("--resume", folder / "killed").exit_code == 0
    tables = [folder / name / "online_returns.csv" for name in ("killed", "whole")]
    assert tables[0].read_text() == tables[1].read_text()
