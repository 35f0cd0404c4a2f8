"""A run that is killed and resumed ends as the uninterrupted one.

The short form of benchmarks/kill_and_resume.py.
"""

from benchmarks.kill_and_resume import TINY, compare


def test_a_run_killed_twice_ends_with_the_same_weights_and_rows(tmp_path):
    algo_params = TINY["algo_params"] | {"num_iterations": 8, "num_train_steps_per_itr": 20}
    assert (
        compare(
            kills=2, seed=0, workspace=tmp_path, settings={"algo_params": algo_params}, share=0.4
        )
        == []
    )
