"""A plain twin of the meta-gradient step, with the operations of the reference code.

As in the reference, sampling, product of Gaussians, KL and draws of z go task by task, every
network has its own Adam, the policy pass also computes gradients of the Q weights, and rows are in
one float64 array per field and task. Matrix products, threads and inputs are those of the fast
path. It serves only for comparison.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from tests.reference.plain_encoders import PlainSequenceEncoder

FIELDS = ("obs", "actions", "rewards", "next_obs", "terminated")


class PlainMlp(nn.Module):
    """Layers fc0, fc1, ..., last_fc of `nn.Linear`, as the fast networks name them."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.num_hidden = len(sizes) - 2
        for i, (before, after) in enumerate(pairwise(sizes[:-1])):
            self.add_module(f"fc{i}", nn.Linear(before, after))
        self.last_fc = nn.Linear(sizes[-2], sizes[-1])

    def trunk(self, *inputs: Tensor) -> Tensor:
        """The last hidden layer."""
        h = torch.cat(inputs, dim=1) if len(inputs) > 1 else inputs[0]
        for i in range(self.num_hidden):
            h = functional.relu(getattr(self, f"fc{i}")(h))
        return h

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map the concatenated inputs."""
        return self.last_fc(self.trunk(*inputs))


class PlainPolicy(PlainMlp):
    """Two heads on one trunk."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        self.last_fc_log_std = nn.Linear(sizes[-2], sizes[-1])

    def sample(self, inputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Action, mean, log standard deviation and log probability [rows, 1]."""
        h = self.trunk(inputs)
        mean, log_std = self.last_fc(h), torch.clamp(self.last_fc_log_std(h), -20, 2)
        std = torch.exp(log_std)
        pre_tanh = mean + std * noise
        action = torch.tanh(pre_tanh)
        log_prob = Normal(mean, std).log_prob(pre_tanh) - torch.log(1 - action * action + 1e-6)
        return action, mean, log_std, log_prob.sum(dim=1, keepdim=True)


class PlainBuffer:
    """Rows of one task: one float64 array per field, drawn with replacement."""

    def __init__(self, fields: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        self.device = device
        self.fields = {name: np.asarray(fields[name], np.float64) for name in FIELDS}
        self.size = len(self.fields["obs"])

    def random_batch(self, batch_size: int, rng: np.random.RandomState) -> dict[str, Tensor]:
        """Float32 tensors [1, batch_size, dim] by field."""
        indices = rng.randint(0, self.size, batch_size)
        return {
            name: torch.from_numpy(array[indices]).float().to(self.device)[None]
            for name, array in self.fields.items()
        }


class PlainPEARL:
    """The meta-gradient step of docs/pearl.md, in the reference's order.

    Args:
        networks: fast networks by weight-file name; their weights are copied.
        config: PEARL's settings (step sizes, weights).
        latent_dim: size of z.
    """

    def __init__(self, networks: Mapping[str, nn.Module], config, latent_dim: int) -> None:
        self.config, self.latent_dim = config, latent_dim
        for name, network in networks.items():
            weights = network.state_dict()
            if name == "context_encoder" and config.takes_episodes:
                cut = config.embedding_mini_batch_size or 0
                self.context_encoder = PlainSequenceEncoder(
                    weights, latent_dim, config.use_information_bottleneck, cut
                )
                continue
            sizes = [weights["fc0.weight"].shape[1]]
            sizes += [
                weights[f"fc{i}.weight"].shape[0]
                for i in range(sum(key.startswith("fc") for key in weights) // 2)
            ]
            sizes += [weights["last_fc.weight"].shape[0]]
            twin = (PlainPolicy if name == "policy" else PlainMlp)(sizes).to(weights["fc0.weight"])
            twin.load_state_dict(weights)
            setattr(self, name, twin)
        lrs = {
            "policy": "policy_lr",
            "qf1": "qf_lr",
            "qf2": "qf_lr",
            "vf": "vf_lr",
            "context_encoder": "context_lr",
        }
        self.optimizers = {
            name: torch.optim.Adam(getattr(self, name).parameters(), lr=getattr(config, key))
            for name, key in lrs.items()
        }

    def sample_context(
        self, buffers: Sequence[PlainBuffer], tasks: Sequence[int], rng: np.random.RandomState
    ) -> Tensor:
        """Context rows [num_tasks, n, context_dim], task by task."""
        batches = [
            buffers[task].random_batch(self.config.embedding_batch_size, rng) for task in tasks
        ]
        names = ("obs", "actions", "rewards") + (
            ("next_obs",) if self.config.use_next_obs_in_context else ()
        )
        return torch.cat(
            [torch.cat([batch[name] for batch in batches], dim=0) for name in names], dim=2
        )

    def sample_batch(
        self, buffers: Sequence[PlainBuffer], tasks: Sequence[int], rng: np.random.RandomState
    ) -> list[Tensor]:
        """RL rows by field, [num_tasks, batch_size, dim], task by task."""
        batches = [buffers[task].random_batch(self.config.batch_size, rng) for task in tasks]
        return [torch.cat([batch[name] for batch in batches], dim=0) for name in FIELDS]

    def infer_posterior(self, context: Tensor | Sequence[Tensor]) -> None:
        """Mean and variance of every task, task by task."""
        if self.config.takes_episodes:
            pairs = [self.context_encoder.posterior(rows) for rows in context]
            self.z_means, self.z_vars = (torch.stack([pair[k] for pair in pairs]) for k in (0, 1))
            return
        num_tasks, n, dim = context.shape
        params = self.context_encoder(context.view(num_tasks * n, dim)).view(num_tasks, n, -1)
        if not self.config.use_information_bottleneck:
            self.z_means, self.z_vars = torch.mean(params, dim=1), None
            return
        means, variances = (
            params[..., : self.latent_dim],
            functional.softplus(params[..., self.latent_dim :]),
        )
        products = [
            self._product(m, s)
            for m, s in zip(torch.unbind(means), torch.unbind(variances), strict=True)
        ]
        self.z_means, self.z_vars = (torch.stack([p[k] for p in products]) for k in (0, 1))

    @staticmethod
    def _product(means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
        variances = torch.clamp(variances, min=1e-7)
        variance = 1.0 / torch.sum(torch.reciprocal(variances), dim=0)
        return variance * torch.sum(means / variances, dim=0), variance

    def sample_z(self, noise: Tensor) -> Tensor:
        """One draw per task, [num_tasks, latent_dim]."""
        if self.z_vars is None:
            return self.z_means
        pairs = zip(
            torch.unbind(self.z_means),
            torch.unbind(torch.sqrt(self.z_vars)),
            torch.unbind(noise),
            strict=True,
        )
        return torch.stack([mean + std * eps for mean, std, eps in pairs])

    def compute_kl(self) -> Tensor:
        """KL to the prior, summed over tasks and dimensions."""
        prior = Normal(
            torch.zeros(self.latent_dim).to(self.z_means),
            torch.ones(self.latent_dim).to(self.z_means),
        )
        pairs = zip(torch.unbind(self.z_means), torch.unbind(self.z_vars), strict=True)
        return torch.sum(
            torch.stack(
                [
                    torch.sum(kl_divergence(Normal(mean, torch.sqrt(var)), prior))
                    for mean, var in pairs
                ]
            )
        )

    def take_step(
        self,
        batch: Sequence[Tensor],
        context: Tensor | Sequence[Tensor],
        noise_z: Tensor,
        noise_action: Tensor,
    ) -> dict[str, Tensor]:
        """One step; batch fields [num_tasks, batch_size, dim] as `sample_batch` gives them.

        Returns the losses.
        """
        cfg, opt = self.config, self.optimizers
        num_tasks, batch_size = batch[0].shape[:2]
        self.infer_posterior(context)
        z = self.sample_z(noise_z)
        obs, actions, rewards, next_obs, terms = (
            field.reshape(num_tasks * batch_size, -1) for field in batch
        )
        z = torch.cat([row.repeat(batch_size, 1) for row in z], dim=0)
        new_actions, mean, log_std, log_pi = self.policy.sample(
            torch.cat([obs, z.detach()], dim=1), noise_action.reshape(num_tasks * batch_size, -1)
        )
        q1, q2 = self.qf1(obs, actions, z), self.qf2(obs, actions, z)
        v = self.vf(obs, z.detach())
        with torch.no_grad():
            target_v = self.target_vf(next_obs, z)

        opt["context_encoder"].zero_grad()
        losses: dict[str, Tensor] = {}
        if cfg.use_information_bottleneck:
            kl = self.compute_kl()
            kl_loss = cfg.kl_lambda * kl
            kl_loss.backward(retain_graph=True)
            losses = {"KL Divergence": kl, "KL Loss": kl_loss}
        opt["qf1"].zero_grad()
        opt["qf2"].zero_grad()
        target = rewards * cfg.reward_scale + (1.0 - terms) * cfg.discount * target_v
        qf_loss = torch.mean((q1 - target) ** 2) + torch.mean((q2 - target) ** 2)
        qf_loss.backward()
        for name in ("qf1", "qf2", "context_encoder"):
            opt[name].step()

        z = z.detach()
        min_q = torch.min(self.qf1(obs, new_actions, z), self.qf2(obs, new_actions, z))
        vf_loss = functional.mse_loss(v, (min_q - log_pi).detach())
        opt["vf"].zero_grad()
        vf_loss.backward()
        opt["vf"].step()
        with torch.no_grad():
            for slow, fast in zip(self.target_vf.parameters(), self.vf.parameters(), strict=True):
                slow.copy_(slow * (1.0 - cfg.soft_target_tau) + fast * cfg.soft_target_tau)

        regularisation = (
            cfg.policy_mean_reg_weight * (mean**2).mean()
            + cfg.policy_std_reg_weight * (log_std**2).mean()
        )
        policy_loss = (log_pi - min_q).mean() + regularisation
        opt["policy"].zero_grad()
        policy_loss.backward()
        opt["policy"].step()
        losses |= {"QF Loss": qf_loss, "VF Loss": vf_loss, "Policy Loss": policy_loss}
        return {name: loss.detach() for name, loss in losses.items()}

    def train_step(
        self,
        replay: Sequence[PlainBuffer],
        encoder: Sequence[PlainBuffer],
        rng: np.random.RandomState,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Draw tasks and a context; take an update on each part of it, each with new RL rows."""
        tasks = rng.choice(len(replay), self.config.meta_batch)
        context, size = self.sample_context(encoder, tasks, rng), self.config.rows_per_update
        for first in range(0, size * self.config.updates_per_step, size):
            part = context[:, first : first + size]
            losses = self._update(replay, tasks, part, rng, generator)
        return losses

    def _update(
        self,
        replay: Sequence[PlainBuffer],
        tasks: Sequence[int],
        context: Tensor,
        rng: np.random.RandomState,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        batch = self.sample_batch(replay, tasks, rng)
        noise_z = torch.randn(
            len(tasks), self.latent_dim, generator=generator, device=generator.device
        )
        noise_action = torch.randn(batch[1].shape, generator=generator, device=generator.device)
        return self.take_step(batch, context, noise_z, noise_action)
