"""A context encoder whose learned queries attend over all rows; row order does not matter."""

import torch
from torch import Tensor, nn

from rlkit.torch.context_encoder import State
from rlkit.torch.sequence_encoders import SequenceEncoder

NUM_QUERIES = 4


class AttentionEncoder(SequenceEncoder):
    """Each query q averages the embedded rows e_n with weights softmax(q · e_n / sqrt(width)).

    The state is, for each query, (running maximum m of the scores, normaliser Σ exp(s_n - m),
    weighted sum Σ exp(s_n - m) e_n), so rows can be added in parts. The head reads the weighted
    means of all queries. Keys and values are the embedded rows themselves, because a linear map of
    either could be absorbed into the queries or the head.
    """

    def _add_layers(self, generator: torch.Generator | None) -> None:
        self.queries = nn.Parameter(torch.randn(NUM_QUERIES, self.width, generator=generator))
        self.last_fc = self._head(NUM_QUERIES * self.width, self.output_size, 3e-3, generator)

    def initial_state(self, num_tasks: int) -> State:
        """The state before any rows: the lowest possible maximum, and sums of 0.

        Shapes: [num_tasks, queries] twice, then [num_tasks, queries, width].
        """
        zeros = self.queries.new_zeros(num_tasks, NUM_QUERIES)
        return (
            torch.full_like(zeros, torch.finfo(zeros.dtype).min),
            zeros,
            zeros.new_zeros(*zeros.shape, self.width),
        )

    def update(self, state: State, rows: Tensor, mask: Tensor | None = None) -> State:
        """Add rows [num_tasks, n, context_dim] to the sums."""
        maximum, normaliser, weighted = state
        embedded = self.embed(rows)
        scores = (
            self.queries @ embedded.transpose(1, 2) / self.width**0.5
        )  # [num_tasks, queries, n]
        if mask is not None:
            scores = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min)
        with torch.no_grad():  # the means do not depend on the maximum
            new_maximum = torch.maximum(maximum, scores.max(dim=-1).values)
            shrunk = (maximum - new_maximum).exp()
        weights = (scores - new_maximum.unsqueeze(-1)).exp()
        if mask is not None:
            weights = weights * mask.unsqueeze(1)
        normaliser = normaliser * shrunk + weights.sum(dim=-1)
        return new_maximum, normaliser, weighted * shrunk.unsqueeze(-1) + weights @ embedded

    def summary(self, state: State) -> Tensor:
        """The weighted means, [num_tasks, queries * width]; not finite for a task without rows."""
        _, normaliser, weighted = state
        return (weighted / normaliser.unsqueeze(-1)).flatten(1)
