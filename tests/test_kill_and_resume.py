"""A run that is killed and resumed ends as the uninterrupted one.

The short form of benchmarks/kill_and_resume.py.
"""

import numpy as np
import torch
from scipy.io import savemat

from benchmarks.kill_and_resume import TINY, compare, differences


def test_a_run_killed_twice_ends_with_the_same_weights_and_rows(tmp_path):
    algo_params = TINY["algo_params"] | {"num_iterations": 8, "num_train_steps_per_itr": 20}
    settings = TINY | {"algo_params": algo_params}
    assert compare(kills=2, seed=0, workspace=tmp_path, settings=settings, share=0.4) == []


def test_every_kind_of_difference_is_found_and_times_are_not(tmp_path):
    for name, changed in (("a", False), ("b", True)):
        run = tmp_path / name
        run.mkdir()
        number = 2 if changed else 1
        torch.save({"w": torch.tensor([1.0, number])}, run / "policy.pth")
        (run / "progress.csv").write_text(f"x,Epoch Time (s)\n{number},{number}\n")
        (run / "t.greedy.csv").write_text(f"0.{number},1,{number}\n")
        (run / "valuerl.log").write_text(f"{number},{number},7,{number}\n")
        (run / "debug.log").write_text(str(number))
        cells = np.array([np.ones(2), np.full(3, number)], dtype=object)
        savemat(run / "logs.mat", {"returns": cells})
    torch.save({}, tmp_path / "b" / "extra.pth")
    assert differences(tmp_path / "a", tmp_path / "a") == []
    assert differences(tmp_path / "a", tmp_path / "b") == [
        f"{tmp_path / 'a' / 'extra.pth'} is missing",
        "policy.pth: w",
        "progress.csv: row 0, x",
        "t.greedy.csv: row 0",
        "valuerl.log: line 0",
        "logs.mat: returns",
    ]
