"""Statistics of a collection, the checkpoints it requests, and resuming from them."""

import pytest

from rlkit.core.algorithm import NoLoop
from rlkit.core.loop import Progress
from tests.torch.sac.test_collection import make_collection


def test_a_collection_goes_on_after_the_last_initial_pool_that_was_saved():
    whole, _, stores = make_collection(tasks=range(3), num_envs=1)
    whole.collect_initial_pool(Progress(NoLoop(), total=0))
    parted, _, relabeler = make_collection(tasks=range(3), num_envs=1)
    parted.num_pools = 1
    parted.collect_initial_pool(Progress(NoLoop(), total=0))
    assert relabeler.stored
    tasks = [{*ids} for _, _, ids, _ in stores.stored]
    assert [{*ids} for _, _, ids, _ in relabeler.stored] == [ids for ids in tasks if ids != {0}]


class Recorder(NoLoop):
    def __init__(self):
        self.ticks, self.saves = [], []

    def tick(self, done, total, note="", save=None):
        if save is None:
            self.ticks.append((done, total))
        else:
            self.saves.append(save)


@pytest.mark.parametrize("num_envs", [1, 64])
def test_a_collection_ticks_after_each_rollout_and_its_steps_add_up(num_envs):
    collection, _, _ = make_collection(tasks=range(3), num_envs=num_envs)
    collection._check_rows = lambda: None  # the recording relabeler stores nothing
    for iteration, total in ((0, 3 * 8 + 2 * 20), (1, 2 * 20)):
        loop = Recorder()
        collection.collect(iteration, loop)
        done = [ticked for ticked, _ in loop.ticks]
        assert {ticked for _, ticked in loop.ticks} == {total}
        assert done == sorted(done) and done[-1] == total and len(done) > 2
        pools = ["due"] * (2 if num_envs == 1 else 0) + ["now"]
        assert loop.saves == [*(pools if iteration == 0 else []), "after"]
