"""The settings of PETS: the dotted overrides of kchua/handful-of-trials, and a few more."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, Self, TypeVar

from rlkit.core.config import Relation
from rlkit.core.settings import AlgorithmSettings, PositiveCount
from rlkit.torch.pets.propagation import Mode, ModelType, check_propagation
from rlkit.torch.pets.published import Published
from rlkit.torch.pets.sections import ControlSettings, ExperimentSettings, PlannerSettings

Value = TypeVar("Value")


@dataclass(frozen=True)
class PETSSettings(AlgorithmSettings):
    """`algo_params` of PETS."""

    num_iterations: PositiveCount = 51  # iteration 0 runs the random trials and the first fit
    model_type: ModelType = "PE"
    prop_type: Mode = "TSinf"
    opt_type: Literal["CEM", "Random"] = "CEM"
    exp_cfg: ExperimentSettings = field(default_factory=ExperimentSettings)
    ctrl_cfg: ControlSettings = field(default_factory=ControlSettings)

    @property
    def task_hor(self) -> int:
        """Length of a trial in environment steps."""
        return given(self.exp_cfg.sim_cfg.task_hor)

    @property
    def trials_per_iteration(self) -> int:
        """Trials per iteration once there is a model, as lanes of one environment."""
        logged, learned = self.exp_cfg.log_cfg, self.exp_cfg.exp_cfg.nrollouts_per_iter
        return max(logged.nrecord, logged.neval, learned)

    @property
    def num_lanes(self) -> int:
        """Maximum number of parallel trials."""
        return max(self.trials_per_iteration, self.exp_cfg.exp_cfg.ninit_rollouts)

    def filled(self, published: Published | None) -> Self:
        """Replace nulls by the published values; idempotent.

        Args:
            published: values of the environment; None: there are none.
        """
        by_type = {
            "num_nets": 5 if self.model_type in ("DE", "PE") else 1,
            "npart": 1 if self.prop_type == "E" else 20,
            "ign_var": self.prop_type == "E" or self._variance_is_ignored,
        }
        by_env: dict[str, Any] = {}
        if published is not None:
            by_env = vars(published).copy()
            random_popsize = by_env.pop("random_popsize")
            if self.opt_type == "Random":
                by_env["popsize"] = random_popsize
                del by_env["num_elites"]
        return _filled(self, by_type | by_env)

    @property
    def _variance_is_ignored(self) -> bool:
        return self.model_type == "DE" and self.prop_type in ("TS1", "TSinf")

    def relations(self) -> Iterator[Relation]:
        """Yield the constraints between fields that are violated."""
        yield from self._model_relations()
        yield from self._planner_relations()
        sim = self.exp_cfg.sim_cfg
        if sim.stochastic != (sim.noise_std is not None):
            keys = "exp_cfg.sim_cfg.stochastic", "exp_cfg.sim_cfg.noise_std"
            yield Relation(keys, "noise_std if stochastic is true, null otherwise")
        default = type(self).max_path_length
        if self.max_path_length not in (default, sim.task_hor):
            expected = "max_path_length left out: a trial is exp_cfg.sim_cfg.task_hor steps long"
            yield Relation(("max_path_length",), expected)

    def _model_relations(self) -> Iterator[Relation]:
        """Relations between model, propagation and networks."""
        model, prop = self.ctrl_cfg.prop_cfg.model_init_cfg, self.ctrl_cfg.prop_cfg
        init, train = "ctrl_cfg.prop_cfg.model_init_cfg", "ctrl_cfg.prop_cfg.model_train_cfg"
        if model.num_nets is not None and prop.npart is not None:
            names = "model_type", "prop_type", f"{init}.num_nets", "ctrl_cfg.prop_cfg.npart"
            try:
                check_propagation(self.model_type, self.prop_type, model.num_nets, prop.npart)
            except ValueError as error:
                yield Relation(names, str(error).partition("; expected ")[2])
        if prop.ign_var is False and (self.prop_type == "E" or self._variance_is_ignored):
            expected = "true or null: there is no variance to draw from"
            yield Relation(("ctrl_cfg.prop_cfg.ign_var", "model_type", "prop_type"), expected)
        if prop.mm_on != "output" and self.prop_type != "MM":
            yield Relation(("ctrl_cfg.prop_cfg.mm_on", "prop_type"), "MM, or mm_on left out")
        sizes, decays = model.hidden_sizes, prop.model_train_cfg.weight_decays
        if sizes is not None and decays is not None and len(decays) != len(sizes) + 1:
            expected = "a decay for each hidden layer and the output layer"
            yield Relation((f"{init}.hidden_sizes", f"{train}.weight_decays"), expected)
        if model.load_model != (model.model_dir is not None):
            yield Relation((f"{init}.load_model", f"{init}.model_dir"), "both or neither")

    def _planner_relations(self) -> Iterator[Relation]:
        """Relations between horizon, population and elites."""
        plan, cfg = self.ctrl_cfg.opt_cfg, self.ctrl_cfg.opt_cfg.cfg
        if plan.plan_hor is not None and self.ctrl_cfg.per > plan.plan_hor:
            keys = "ctrl_cfg.per", "ctrl_cfg.opt_cfg.plan_hor"
            yield Relation(keys, "per of at most plan_hor")
        if self.opt_type == "Random":
            default = PlannerSettings(popsize=cfg.popsize)
            for name in (f.name for f in fields(cfg)):
                if getattr(cfg, name) != getattr(default, name):
                    yield Relation(
                        (f"ctrl_cfg.opt_cfg.cfg.{name}", "opt_type"),
                        f"CEM, which alone uses {name}",
                    )
        elif (
            cfg.popsize is not None and cfg.num_elites is not None and cfg.num_elites > cfg.popsize
        ):
            keys = "ctrl_cfg.opt_cfg.cfg.num_elites", "ctrl_cfg.opt_cfg.cfg.popsize"
            yield Relation(keys, "no more elites than candidates")

    def cut_for_debug(self) -> Self:
        """Cut the settings to two iterations of short trials, a small population and one epoch."""
        sim, rollouts, logged = self.exp_cfg.sim_cfg, self.exp_cfg.exp_cfg, self.exp_cfg.log_cfg
        prop, plan = self.ctrl_cfg.prop_cfg, self.ctrl_cfg.opt_cfg
        popsize = min(plan.cfg.popsize or 20, 20)
        elites = None if plan.cfg.num_elites is None else min(plan.cfg.num_elites, popsize)
        exp_cfg = replace(
            self.exp_cfg,
            sim_cfg=replace(sim, task_hor=min(sim.task_hor or 10, 10)),
            exp_cfg=replace(
                rollouts,
                nrollouts_per_iter=min(rollouts.nrollouts_per_iter, 2),
                ninit_rollouts=min(rollouts.ninit_rollouts, 2),
            ),
            log_cfg=replace(logged, neval=min(logged.neval, 2), nrecord=min(logged.nrecord, 2)),
        )
        ctrl_cfg = replace(
            self.ctrl_cfg,
            prop_cfg=replace(prop, model_train_cfg=replace(prop.model_train_cfg, epochs=1)),
            opt_cfg=replace(plan, cfg=replace(plan.cfg, popsize=popsize, num_elites=elites)),
        )
        return replace(super().cut_for_debug(), exp_cfg=exp_cfg, ctrl_cfg=ctrl_cfg)


def given(value: Value | None) -> Value:
    """Return a setting that `PETSSettings.filled` has filled in.

    Raises:
        ValueError: it is null.
    """
    if value is None:
        raise ValueError("a setting of PETS is null, and its environment has no published value")
    return value


def unfilled(settings: PETSSettings) -> Iterator[str]:
    """Dotted keys of required settings that are still null."""
    optional = {"noise_std", "model_dir"} | (
        {"num_elites"} if settings.opt_type == "Random" else set()
    )
    return (key for key in _nulls(settings) if key.rpartition(".")[2] not in optional)


def _nulls(settings: Any, prefix: str = "") -> Iterator[str]:
    for name in (f.name for f in fields(settings)):
        value = getattr(settings, name)
        if is_dataclass(value):
            yield from _nulls(value, f"{prefix}{name}.")
        elif value is None:
            yield f"{prefix}{name}"


def _filled(settings: Any, values: dict[str, Any]) -> Any:
    """Copy dataclasses with nulls replaced by `values`."""
    changes = {}
    for name in (f.name for f in fields(settings)):
        value = getattr(settings, name)
        if is_dataclass(value):
            changes[name] = _filled(value, values)
        elif value is None and name in values:
            changes[name] = values[name]
    return replace(settings, **changes)
