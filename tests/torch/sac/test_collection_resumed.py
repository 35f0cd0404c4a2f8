"""A collection that goes on inside the initial pool."""

from rlkit.core.loop import NoLoop
from rlkit.core.progress import Progress
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
