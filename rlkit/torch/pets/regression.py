"""Regression with an ensemble: input normalizer, learned variance bounds, losses."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlkit.torch.ensembles import EnsembleMlp

MIN_STD = 1e-12  # inputs with a smaller standard deviation are treated as constant
CONSTANT_ULPS = 8  # as are inputs that vary by less than this many units in the last place
BOUND_WEIGHT = 0.01  # weight of the log-variance bounds in the loss
MAX_LOGVAR, MIN_LOGVAR = 0.5, -10.0  # their initial values


class Normalizer(nn.Module):
    """Shifts and scales inputs by the mean and population standard deviation of the data.

    Attributes:
        mean: [1, size].
        std: [1, size]; 1 for inputs that are practically constant.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, size))
        self.register_buffer("std", torch.ones(1, size))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Fit to rows [n, size], in float64.

        An input whose standard deviation is within the rounding error of the networks' dtype
        carries no information, and dividing by it would amplify rounding errors. The reference
        guards only against constant inputs, with a threshold of 1e-12.
        """
        rows = x.double()
        std = rows.std(dim=0, correction=0)
        resolution = CONSTANT_ULPS * torch.finfo(self.std.dtype).eps * rows.abs().amax(dim=0)
        self.mean.copy_(rows.mean(dim=0))
        self.std.copy_(torch.where(std < resolution.clamp(min=MIN_STD), 1.0, std))

    def forward(self, x: Tensor) -> Tensor:
        """(x - mean) / std, [..., size]."""
        return (x - self.mean).div_(self.std)


class Moments(NamedTuple):
    """Mean and variance of outputs, [num_nets, ..., out]; variance None if deterministic."""

    mean: Tensor
    variance: Tensor | None


class RegressionEnsemble(nn.Module):
    """Members that predict a mean and, if probabilistic, a log-variance between learned bounds.

    In PETS' terms, D (deterministic) and P (probabilistic) have one member, DE and PE more.

    Attributes:
        networks: the members; a probabilistic one outputs the mean, then the raw log-variance r.
        normalizer: normalizer of the inputs, shared by all members.
        max_logvar, min_logvar: bounds [1, out], trained with the weights; None if deterministic.
    Source: kchua/handful-of-trials, `dmbrl/modeling/models/BNN.py` and `NN.py`.
    """

    def __init__(self, networks: EnsembleMlp, *, probabilistic: bool) -> None:
        super().__init__()
        input_size, width = networks.weights[0].shape[1], networks.weights[-1].shape[2]
        if probabilistic and width % 2:
            raise ValueError(f"{width} outputs; expected an even number: means and log-variances")
        self.networks, self.probabilistic = networks, probabilistic
        self.output_size = width // 2 if probabilistic else width
        self.normalizer = Normalizer(input_size)
        bounds = (torch.full((1, self.output_size), bound) for bound in (MAX_LOGVAR, MIN_LOGVAR))
        self.max_logvar, self.min_logvar = (
            nn.Parameter(bound) if probabilistic else None for bound in bounds
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and log-variance [num_nets, ..., out] for normalised inputs [num_nets, ..., in].

        l <- max - softplus(max - r);  l <- min + softplus(l - min), with l the log-variance.
        """
        mean, raw = self._outputs(x)
        if raw is None or self.max_logvar is None or self.min_logvar is None:
            return mean, None
        below = self.max_logvar - functional.softplus(self.max_logvar - raw)
        return mean, self.min_logvar + functional.softplus(below - self.min_logvar)

    def moments(self, x: Tensor) -> Moments:
        """Mean and variance for normalised inputs [num_nets, ..., in].

        The variance is exp(min) + exp(max) sigmoid(r - max). It equals the exponential of the
        log-variance of `forward` but is cheaper to compute.
        """
        mean, raw = self._outputs(x)
        if raw is None or self.max_logvar is None or self.min_logvar is None:
            return Moments(mean, None)
        share = torch.sigmoid(raw - self.max_logvar)
        return Moments(mean, torch.addcmul(self.min_logvar.exp(), self.max_logvar.exp(), share))

    def _outputs(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Means and, if probabilistic, raw log-variances."""
        outputs = self.networks(x)
        if not self.probabilistic:
            return outputs, None
        mean, raw = outputs.split(self.output_size, dim=-1)
        return mean, raw

    def losses(self, x: Tensor, targets: Tensor) -> Tensor:
        """Data term of every member's loss, [num_nets].

        Probabilistic: mean of (mu - y)^2 exp(-l) + l over rows and outputs; deterministic: half the
        mean squared error.

        Args:
            x: normalised inputs, [num_nets, rows, in].
            targets: [num_nets, rows, out].
        """
        mean, logvar = self(x)
        squares = (mean - targets) ** 2
        if logvar is None:
            return 0.5 * squares.mean(dim=(1, 2))
        return (squares * torch.exp(-logvar) + logvar).mean(dim=(1, 2))

    def bound_penalty(self) -> Tensor:
        """0.01 (sum of max_logvar - sum of min_logvar), which pulls the bounds together."""
        if self.max_logvar is None or self.min_logvar is None:
            return self.normalizer.mean.new_zeros(())
        return BOUND_WEIGHT * (self.max_logvar.sum() - self.min_logvar.sum())

    def parameter_groups(self, weight_decays: Sequence[float]) -> list[dict[str, Any]]:
        """Parameter groups for Adam; the log-variance bounds do not decay."""
        groups = self.networks.parameter_groups(weight_decays)
        bounds = [bound for bound in (self.max_logvar, self.min_logvar) if bound is not None]
        groups[-1]["params"] = [*groups[-1]["params"], *bounds]
        return groups
