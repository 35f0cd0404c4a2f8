"""Plain twins of collection and evaluation on cheetah-vel.

One environment, one step at a time, as the reference samples.
"""

import mujoco
import numpy as np
import torch

from tests.reference.plain_pearl import PlainPEARL


class PlainCheetah:
    """One half-cheetah with a target velocity.

    The physics call is that of the fast path's lanes, on the same model.
    """

    def __init__(self, model: mujoco.MjModel, seed: int) -> None:
        self.model, self.data = model, mujoco.MjData(model)
        self.rng = np.random.RandomState(seed)
        self.goal = 1.0

    def reset(self) -> np.ndarray:
        """Start an episode."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = self.model.qpos0 + self.rng.uniform(-0.1, 0.1, self.model.nq)
        self.data.qvel[:] = 0.1 * self.rng.standard_normal(self.model.nv)
        mujoco.mj_forward(self.model, self.data)
        return self._obs()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, dict]:
        """Observation, reward, done and info, as in old gym."""
        control = np.clip(-1.0 + (action + 1.0) * 0.5 * 2.0, -1.0, 1.0)
        before = self.data.qpos[0]
        self.data.ctrl[:] = control
        mujoco.mj_step(self.model, self.data, 5)
        velocity = (self.data.qpos[0] - before) / 0.05
        forward, cost = -abs(velocity - self.goal), 0.5 * 0.1 * np.sum(np.square(control))
        return self._obs(), forward - cost, False, {"reward_forward": forward, "reward_ctrl": -cost}

    def _obs(self) -> np.ndarray:
        parts = [self.data.qpos.flat[1:], self.data.qvel.flat, self.data.body("torso").xpos.flat]
        return np.concatenate(parts).astype(np.float32).flatten()


class PlainSampler:
    """Calls the policy on one observation at a time, without gradients, and fills lists."""

    def __init__(self, env: PlainCheetah, plain: PlainPEARL, generator: torch.Generator) -> None:
        self.env, self.plain, self.generator = env, plain, generator

    @torch.no_grad()
    def act(self, obs: np.ndarray, z: torch.Tensor, deterministic: bool) -> np.ndarray:
        """One action from one observation."""
        inputs = torch.cat([torch.from_numpy(obs[None]).float().to(z.device), z], dim=1)
        policy = self.plain.policy
        hidden = policy.trunk(inputs)
        mean, log_std = policy.last_fc(hidden), torch.clamp(policy.last_fc_log_std(hidden), -20, 2)
        if deterministic:
            return torch.tanh(mean).cpu().numpy()[0]
        return torch.tanh(mean + torch.exp(log_std) * self._noise(mean.shape[1])).cpu().numpy()[0]

    def rollout(
        self,
        z: torch.Tensor,
        horizon: int,
        deterministic: bool,
        context: list[torch.Tensor] | None = None,
    ) -> dict:
        """One trajectory; with `context`, each transition is appended to its only entry as it
        happens.
        """
        columns: dict[str, list] = {
            name: [] for name in ("obs", "actions", "rewards", "terminals", "infos")
        }
        obs = self.env.reset()
        for _ in range(horizon):
            action = self.act(obs, z, deterministic)
            next_obs, reward, end, info = self.env.step(action)
            if context is not None:
                row = np.concatenate([obs, action, [reward]])[None, None]
                row_tensor = torch.from_numpy(row).float().to(z.device)
                context[:] = [torch.cat([*context, row_tensor], dim=1)]
            for name, value in zip(columns, (obs, action, reward, end, info), strict=True):
                columns[name].append(value)
            obs = next_obs
        return {name: np.array(values) for name, values in columns.items() if name != "infos"}

    def _noise(self, size: int) -> torch.Tensor:
        return torch.randn(1, size, generator=self.generator, device=self.generator.device)

    def collect(self, num_trajectories: int, horizon: int) -> None:
        """Trajectories with z from the prior."""
        for _ in range(num_trajectories):
            self.rollout(self._noise(self.plain.latent_dim), horizon, deterministic=False)

    def evaluate_task(self, num_trajectories: int, num_exploration: int, horizon: int) -> None:
        """Meta-test of one task: every step adds a context row, every trajectory a posterior."""
        context: list[torch.Tensor] = []
        z = self._noise(self.plain.latent_dim)
        for n in range(num_trajectories):
            self.rollout(z, horizon, deterministic=True, context=context)
            noise = self._noise(self.plain.latent_dim)
            if n + 1 >= num_exploration:
                with torch.no_grad():
                    self.plain.infer_posterior(context[0])
                    z = self.plain.sample_z(noise)
            else:
                z = noise
