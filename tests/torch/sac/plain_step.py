"""A meta-gradient step written a second time, in the plainest way: loops over tasks, torch.distributions, five Adams.

It shares no formula with the package and is what the fast step is compared to.
"""

import torch
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn import functional


def mlp(weights: dict, x: torch.Tensor, head: str = "last_fc") -> torch.Tensor:
    i = 0
    while f"fc{i}.weight" in weights:
        x = functional.linear(x, weights[f"fc{i}.weight"], weights[f"fc{i}.bias"]).relu()
        i += 1
    return functional.linear(x, weights[f"{head}.weight"], weights[f"{head}.bias"])


class PlainStep:
    """Five networks, a target and five default Adams, from copies of the given networks."""

    def __init__(self, networks: dict, config) -> None:
        self.config = config
        self.weights = {
            name: {k: v.detach().clone().requires_grad_(name != "target_vf") for k, v in net.state_dict().items()}
            for name, net in networks.items()
        }
        rates = {
            "qf1": config.qf_lr,
            "qf2": config.qf_lr,
            "vf": config.vf_lr,
            "policy": config.policy_lr,
            "context_encoder": config.context_lr,
        }
        self.adams = {name: torch.optim.Adam(self.weights[name].values(), lr=lr) for name, lr in rates.items()}

    def posterior(self, context: torch.Tensor):
        """One task's belief from its rows [n, context_dim]."""
        output = mlp(self.weights["context_encoder"], context)
        if not self.config.use_information_bottleneck:
            return output.mean(0), torch.zeros_like(output[0])
        mean, variance = output.chunk(2, dim=-1)
        variance = functional.softplus(variance).clamp(min=1e-7)
        product = 1 / (1 / variance).sum(0)
        return product * (mean / variance).sum(0), product

    def step(self, batch: dict, context: torch.Tensor, z_noise: torch.Tensor, action_noise: torch.Tensor) -> dict:
        """batch: obs, actions, rewards, next_obs, terminated, each [num_tasks, batch_size, dim]."""
        cfg, weights, flat = self.config, self.weights, {k: v.flatten(0, 1) for k, v in batch.items()}
        zs, kl = [], torch.zeros((), dtype=context.dtype)
        for rows, noise in zip(context, z_noise, strict=True):
            mean, variance = self.posterior(rows)
            zs.append((mean + variance.sqrt() * noise).expand(batch["obs"].shape[1], -1))
            if cfg.use_information_bottleneck:
                prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
                kl = kl + kl_divergence(Independent(Normal(mean, variance.sqrt()), 1), Independent(prior, 1))
        z = torch.cat(zs)
        q_in = torch.cat([flat["obs"], flat["actions"], z], dim=1)
        with torch.no_grad():
            next_v = mlp(weights["target_vf"], torch.cat([flat["next_obs"], z], dim=1))
            y = cfg.reward_scale * flat["rewards"] + (1 - flat["terminated"]) * cfg.discount * next_v
        qf_loss = ((mlp(weights["qf1"], q_in) - y) ** 2).mean() + ((mlp(weights["qf2"], q_in) - y) ** 2).mean()
        self._update(qf_loss + (cfg.kl_lambda * kl if cfg.use_information_bottleneck else 0), "qf1", "qf2", "context_encoder")

        z = z.detach()
        state = torch.cat([flat["obs"], z], dim=1)
        mean = mlp(weights["policy"], state)
        log_std = mlp(weights["policy"], state, "last_fc_log_std").clamp(-20, 2)
        normal = Normal(mean, log_std.exp())
        u = mean + log_std.exp() * action_noise.flatten(0, 1)
        action = u.tanh()
        log_pi = (normal.log_prob(u) - torch.log(1 - action**2 + 1e-6)).sum(1, keepdim=True)
        q_in = torch.cat([flat["obs"], action, z], dim=1)
        q = torch.min(mlp(weights["qf1"], q_in), mlp(weights["qf2"], q_in))
        vf_loss = ((mlp(weights["vf"], state) - (q - log_pi).detach()) ** 2).mean()
        self._update(vf_loss, "vf")
        for name, target in weights["target_vf"].items():
            target.copy_((1 - cfg.soft_target_tau) * target + cfg.soft_target_tau * weights["vf"][name].detach())
        policy_loss = (log_pi - q).mean()
        policy_loss = policy_loss + 1e-3 * (mean**2).mean() + 1e-3 * (log_std**2).mean()
        self._update(policy_loss, "policy")
        losses = {"QF Loss": qf_loss, "VF Loss": vf_loss, "Policy Loss": policy_loss}
        return losses | ({"KL Divergence": kl} if cfg.use_information_bottleneck else {})

    def _update(self, loss: torch.Tensor, *names: str) -> None:
        for name in names:
            self.adams[name].zero_grad()
        loss.backward(inputs=[p for name in names for p in self.weights[name].values()], retain_graph=True)
        for name in names:
            self.adams[name].step()
