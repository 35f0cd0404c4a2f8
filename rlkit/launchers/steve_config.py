"""The settings of a STEVE experiment."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rlkit.core.config import Problem, Relation
from rlkit.envs.base import MetaEnv
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.torch.steve.config import STEVESettings


@dataclass(frozen=True)
class STEVEExperiment(ExperimentConfig):
    """Settings of one STEVE experiment."""

    env_name: str = "HalfCheetah-v5"  # any environment with one task, such as one of gymnasium's
    algo_params: STEVESettings = field(default_factory=STEVESettings)
    algorithm: str = "steve"

    def relations(self) -> Iterator[Relation]:
        """Yield the violated relations between fields."""
        yield from super().relations()
        agents = self.algo_params.num_agents
        if self.util_params.num_envs not in (None, agents):
            expected = f"{agents} or null: the lanes that step together are num_agents"
            yield Relation(("util_params.num_envs", "algo_params.num_agents"), expected)

    def env_problems(self, env: MetaEnv) -> Iterator[Problem]:
        """Yield problems between these settings and the environment."""
        if env.n_tasks != 1:
            expected = f"an environment of one task, not of {env.n_tasks}"
            yield Problem(("env_name",), f'env_name = "{self.env_name}": expected {expected}')
