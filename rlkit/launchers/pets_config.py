"""The settings of a PETS experiment; defaults are the published values of its environment."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rlkit.core.config import Problem, Relation
from rlkit.envs import ENVS
from rlkit.envs.base import MetaEnv
from rlkit.envs.pets.base import PetsEnv
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.torch.pets.config import PETSSettings, unfilled
from rlkit.torch.pets.published import PUBLISHED


@dataclass(frozen=True)
class PETSExperiment(ExperimentConfig):
    """Settings of one PETS experiment."""

    env_name: str = "pets-cartpole"
    algo_params: PETSSettings = field(default_factory=PETSSettings)
    algorithm: str = "pets"

    def __post_init__(self) -> None:
        """Replace nulls with the published values for the environment."""
        filled = self.algo_params.filled(PUBLISHED.get(self.env_name))
        object.__setattr__(self, "algo_params", filled)

    def relations(self) -> Iterator[Relation]:
        """Yield the violated relations between fields."""
        yield from super().relations()
        if self.env_name in ENVS and self.env_name not in PUBLISHED:
            expected = f"an environment of PETS: {', '.join(PUBLISHED)}"
            yield Relation(("env_name",), expected)
            return
        for name in unfilled(self.algo_params):
            expected = f"a value: there is no published one for {self.env_name}"
            yield Relation((f"algo_params.{name}", "env_name"), expected)
        lanes = self.algo_params.num_lanes
        if self.util_params.num_envs not in (None, lanes):
            expected = f"{lanes} or null: the trials of an iteration run in parallel"
            yield Relation(("util_params.num_envs",), expected)
        prop = self.algo_params.ctrl_cfg.prop_cfg
        if (
            prop.model_pretrained
            and not prop.model_init_cfg.load_model
            and not self.path_to_weights
        ):
            names = "model_pretrained", "model_init_cfg.load_model"
            keys = (*(f"algo_params.ctrl_cfg.prop_cfg.{name}" for name in names), "path_to_weights")
            yield Relation(keys, "a model from load_model and model_dir, or from path_to_weights")
        # Checked here because nulls have been replaced by the environment's values.
        for relation in self.algo_params.relations():
            yield Relation(tuple(f"algo_params.{key}" for key in relation.keys), relation.expected)

    def env_problems(self, env: MetaEnv) -> Iterator[Problem]:
        """Yield conflicts between these settings and the environment."""
        if not isinstance(env.unwrapped, PetsEnv):
            expected = "an environment of PETS, because the planner must know the reward function"
            yield Problem(("env_name",), f'env_name = "{self.env_name}": expected {expected}')
