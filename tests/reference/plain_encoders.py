"""Plain twins of the encoders of whole episodes: the equations, task by task and row by row.

They take the weights of the fast encoders and serve only for comparison.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional


class PlainSequenceEncoder(nn.Module):
    """One Gaussian for the rows of one task.

    Args:
        weights: the state dict of a fast encoder; its keys determine the kind.
        latent_dim: size of z.
        use_information_bottleneck: the head gives mean and variance; otherwise z.
        gradient_rows: only the last `gradient_rows` rows have a gradient; 0: all.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        latent_dim: int,
        use_information_bottleneck: bool,
        gradient_rows: int,
    ) -> None:
        super().__init__()
        self.latent_dim, self.use_information_bottleneck = latent_dim, use_information_bottleneck
        self.gradient_rows = gradient_rows
        self.names = {name: name.replace(".", "_") for name in weights}
        for name, plain in self.names.items():
            self.register_parameter(plain, nn.Parameter(weights[name].clone()))
        self.width = weights["fc0.weight"].shape[0]

    def weight(self, name: str) -> Tensor:
        """A weight by the name that the fast encoder gives it."""
        return getattr(self, self.names[name])

    def embed(self, row: Tensor) -> Tensor:
        """Three ReLU layers on one row."""
        for i in range(3):
            row = torch.relu(
                functional.linear(row, self.weight(f"fc{i}.weight"), self.weight(f"fc{i}.bias"))
            )
        return row

    def gru(self, rows: list[Tensor], first: int) -> Tensor:
        """r, u = sigmoid(...), n = tanh(W x + r (U h + b)), h <- (1 - u) n + u h.

        Returns the last h.

        Args:
            rows: embedded.
            first: of the rows with a gradient.
        """
        w, u, b, c = (
            self.weight(f"cell.{name}_l0")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h = rows[0].new_zeros(self.width)
        for t, row in enumerate(rows):
            h = h.detach() if t == first else h
            of_input, of_h = (w @ row + b).chunk(3), (u @ h + c).chunk(3)
            reset, keep = torch.sigmoid(of_input[0] + of_h[0]), torch.sigmoid(of_input[1] + of_h[1])
            h = (1 - keep) * torch.tanh(of_input[2] + reset * of_h[2]) + keep * h
        return h

    def lstm(self, rows: list[Tensor], first: int) -> Tensor:
        """i, f, g, o of [x, h]; c <- f c + i g, h <- o tanh(c).

        Returns the last h. There is no padding, so no input for it.
        """
        w, u, b, d = (
            self.weight(f"cell.{name}_l0")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h = c = rows[0].new_zeros(self.width)
        for t, row in enumerate(rows):
            if t == first:
                h, c = h.detach(), c.detach()
            i, f, g, o = (w[:, : self.width] @ row + b + u @ h + d).chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h

    def attention(self, rows: list[Tensor], first: int) -> Tensor:
        """The mean of the rows weighted by softmax(q · e / sqrt(width)), query by query."""
        rows = [row.detach() if t < first else row for t, row in enumerate(rows)]
        means = []
        for query in self.weight("queries"):
            scores = [
                row @ (query.detach() if t < first else query) / self.width**0.5
                for t, row in enumerate(rows)
            ]
            weights = torch.softmax(torch.stack(scores), dim=0)
            means.append((weights[:, None] * torch.stack(rows)).sum(dim=0))
        return torch.cat(means)

    def posterior(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of z [latent_dim] from unpadded rows [n, context_dim] of one task."""
        first = max(0, len(rows) - self.gradient_rows) if self.gradient_rows else 0
        kind = self.attention if "queries" in self.names else self.gru
        if (
            "cell.weight_ih_l0" in self.names
            and len(self.weight("cell.weight_ih_l0")) == 4 * self.width
        ):
            kind = self.lstm
        summary = kind([self.embed(row) for row in rows], first)
        output = functional.linear(
            summary, self.weight("last_fc.weight"), self.weight("last_fc.bias")
        )
        if not self.use_information_bottleneck:
            return output, torch.zeros_like(output)
        return output[: self.latent_dim], torch.clamp(
            functional.softplus(output[self.latent_dim :]), min=1e-7
        )

    def fast_weights(self) -> dict[str, Tensor]:
        """The weights by the names that the fast encoder gives them."""
        return {name: getattr(self, plain).detach() for name, plain in self.names.items()}
