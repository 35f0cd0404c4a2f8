"""Peak memory of HFR's relabeling, from its configuration."""

from rlkit.launchers.hfr_config import HFRExperiment
from rlkit.launchers.pearl_sizes import FLOAT_BYTES, blocks

NUMBER_BYTES = 8  # float64 and int64: utilities, labels and the indices of drawn rows
ARRAY_BYTES = 128  # overhead of a NumPy array


def relabeling_bytes(config: HFRExperiment, row: int) -> int:
    """Peak bytes of a block's labels and of the utilities used to choose its tasks.

    Args:
        config: checked.
        row: bytes of a stored transition.
    """
    algo, tasks = config.algo_params, config.n_train_tasks
    if algo.probability == 0:
        return 0
    steps = algo.num_tasks_sample * max(blocks(algo))
    labels = steps * tasks * (2 * NUMBER_BYTES + 1)  # reward, sparse reward, terminated
    samples = 0  # samples of z per task
    judged = 0  # states or transitions that the critics evaluate for a task's utilities
    drawn = 0  # rows drawn for these, for all tasks at once
    contexts = 0  # utilities per task used to estimate log Z
    if algo.relabel_method == "hipi":
        samples, judged, drawn = 1, algo.max_path_length, algo.embedding_batch_size
    elif algo.relabel_method.startswith("hfr-"):
        samples, drawn = algo.utility_z_samples, algo.utility_batch_size
        judged = samples * drawn
        contexts = algo.num_partition_samples if algo.use_partition else 0
    seen = max(judged, drawn, algo.max_path_length)
    width = min(tasks, max(1, algo.relabel_chunk_rows // seen))
    chunk = width * seen * (2 * row + 4 * FLOAT_BYTES * config.net_size)
    of_task = judged * row + NUMBER_BYTES * (drawn + samples * config.latent_size)
    estimates = contexts * (6 * NUMBER_BYTES * tasks + ARRAY_BYTES)
    return labels + chunk + tasks * of_task + estimates
