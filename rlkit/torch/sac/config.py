"""The settings of PEARL: oyster's `algo_params`, each with its meaning, its unit and its range."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from rlkit.core.config import Relation

Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class PEARLConfig:
    """Settings of one PEARL run; names and defaults are oyster's (specs: its configs/default.py and constructors)."""

    # How much is collected, in environment steps (transitions)
    meta_batch: PositiveCount = 16  # tasks per gradient step
    num_iterations: PositiveCount = 500  # outer iterations
    num_initial_steps: PositiveCount = 2000  # prior transitions per train task before training
    num_tasks_sample: PositiveCount = 5  # train tasks visited per iteration (drawn with replacement)
    num_steps_prior: Count = 400  # transitions per visit with z from the prior, to both buffers
    num_steps_posterior: Count = 0  # transitions per visit with z from the posterior, to both buffers
    num_extra_rl_steps_posterior: Count = 400  # transitions per visit with z from the posterior, to the RL buffer only
    num_train_steps_per_itr: PositiveCount = 2000  # meta-gradient steps per iteration
    max_path_length: PositiveCount = 200  # horizon, environment steps
    update_post_train: PositiveCount = 1  # trajectories between two posterior updates while collecting
    replay_buffer_size: PositiveCount = 1_000_000  # rows per task in each of the two buffers

    # Evaluation
    num_evals: PositiveCount = 2  # independent meta-test runs per task
    num_steps_per_eval: PositiveCount = 600  # transitions of one meta-test run
    num_exp_traj_eval: PositiveCount = 1  # trajectories with z from the prior before the posterior is used
    eval_deterministic: bool = True  # the mean action at meta-test, for exploration as well
    dump_eval_paths: bool = False  # store evaluation trajectories as NPZ

    # One gradient step
    batch_size: PositiveCount = 256  # RL rows per task
    embedding_batch_size: PositiveCount = 64  # context rows per task
    embedding_mini_batch_size: PositiveCount = 64  # context rows to backpropagate through; equal to the above unless recurrent
    discount: Fraction = 0.99  # gamma
    soft_target_tau: Fraction = 0.005  # share of V that moves into target V at every step
    policy_lr: NonNegative = 3e-4  # Adam step sizes
    qf_lr: NonNegative = 3e-4
    vf_lr: NonNegative = 3e-4
    context_lr: NonNegative = 3e-4
    reward_scale: Positive = 5.0  # multiplies the reward in the Bellman target only; the inverse of SAC's temperature
    policy_mean_reg_weight: NonNegative = 1e-3  # weight of mean(m^2), m the pre-tanh mean
    policy_std_reg_weight: NonNegative = 1e-3  # weight of mean(log_std^2)
    policy_pre_activation_weight: NonNegative = 0.0  # weight of mean(sum_i u_i^2), u the pre-tanh action

    # The latent task variable
    kl_lambda: NonNegative = 0.1  # weight of KL(q(z|c) || N(0, I)), summed over tasks and dimensions
    use_information_bottleneck: bool = True  # probabilistic z; false: z is the mean of the encoder's outputs, no KL
    use_next_obs_in_context: bool = False  # context rows end with the next observation
    sparse_rewards: bool = False  # encoder and reported returns use sparse rewards; Q, V and the policy stay dense
    recurrent: bool = False  # sequence encoder

    def relations(self) -> Iterator[Relation]:
        """Yield what does not hold between the fields."""
        if self.recurrent:
            yield Relation(("recurrent",), "false: there is no sequence encoder in this version")
        if self.embedding_batch_size % self.embedding_mini_batch_size:
            yield Relation(("embedding_mini_batch_size", "embedding_batch_size"), "the first to divide the second")
        elif self.embedding_mini_batch_size != self.embedding_batch_size and not self.recurrent:
            expected = "equal numbers: only a sequence encoder backpropagates in pieces"
            yield Relation(("embedding_mini_batch_size", "embedding_batch_size"), expected)
        if self.num_steps_prior + self.num_steps_posterior == 0:
            keys = ("num_steps_prior", "num_steps_posterior", "num_extra_rl_steps_posterior")
            yield Relation(keys, "one of the first two above 0: they fill the encoder buffer, which every visit empties first")
        if self.num_steps_per_eval < self.max_path_length:
            yield Relation(("num_steps_per_eval", "max_path_length"), "the first to hold at least one trajectory of the second")

    def cut_for_debug(self) -> "PEARLConfig":
        """Cut the counts to the smallest with which a run still collects, trains, evaluates and saves.

        Networks and batch sizes stay; a second call changes nothing.
        """
        trajectory = self.max_path_length
        return replace(
            self,
            num_iterations=min(self.num_iterations, 2),
            num_initial_steps=min(self.num_initial_steps, trajectory),
            num_tasks_sample=min(self.num_tasks_sample, 2),
            num_steps_prior=min(self.num_steps_prior, trajectory),
            num_steps_posterior=min(self.num_steps_posterior, 2 * trajectory),  # the second one uses the posterior
            num_extra_rl_steps_posterior=min(self.num_extra_rl_steps_posterior, 2 * trajectory),
            num_train_steps_per_itr=min(self.num_train_steps_per_itr, 5),
            num_evals=1,
            num_steps_per_eval=min(self.num_steps_per_eval, (self.num_exp_traj_eval + 1) * trajectory),
        )
