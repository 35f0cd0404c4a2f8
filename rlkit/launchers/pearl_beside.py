"""Evaluates a PEARL experiment while its next iteration trains."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rlkit.envs.base import MetaEnv
from rlkit.launchers.launcher import Experiment
from rlkit.launchers.pearl_networks import build_agent
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.sac.beside import EvaluationBeside
from rlkit.torch.sac.evaluation import PEARLEvaluation
from rlkit.torch.sac.meta_rl_algorithm import MetaRLAlgorithm
from rlkit.torch.weight_mirror import WeightMirror

if TYPE_CHECKING:
    from rlkit.launchers.pearl import PEARL, BuildContext


@dataclass(frozen=True)
class ExperimentBeside(Experiment):
    """An experiment with a second environment for its evaluation."""

    evaluated_in: MetaEnv

    def close(self) -> None:
        """Release both environments."""
        self.evaluated_in.close()
        super().close()


def evaluated_beside(
    launcher: "PEARL", context: "BuildContext", experiment: Experiment
) -> Experiment:
    """Let an experiment evaluate during its next iteration, if that does not change its numbers.

    It is returned unchanged if the policy acts on the GPU, since an evaluation on the CPU would
    round differently; if the experiment cannot run in threads (`side_by_side`); and if it dumps
    evaluation trajectories, since a thread would write these files at another time.
    """
    config, algo = context.config, context.config.algo_params
    acts_on_cpu = config.util_params.rollout_device != "gpu"
    if not acts_on_cpu or algo.dump_eval_paths or isinstance(config.side_by_side(), str):
        return experiment
    env = launcher.build_env(config, experiment.env.tasks)
    copies = WeightMirror("cpu")
    agent = build_agent(config, context.networks.copied_for_acting(copies))
    algorithm = cast(MetaRLAlgorithm, experiment.algorithm)
    evaluation = PEARLEvaluation(
        env=env,
        agent=agent,
        sampler=InPlacePathSampler(env, agent, algo.max_path_length),
        encoder_buffer=context.encoder_buffer,
        train_tasks=range(config.n_train_tasks),
        eval_tasks=range(env.n_tasks - config.n_eval_tasks, env.n_tasks),
        config=algo,
        seed=context.seed,
    )
    algorithm.beside = EvaluationBeside(algorithm, evaluation, copies.update)
    return ExperimentBeside(experiment.env, algorithm, experiment.policy, env)
