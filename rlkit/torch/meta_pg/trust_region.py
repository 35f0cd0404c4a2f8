"""A trust-region step: conjugate gradients with exact Hessian products, then a line search."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Vector = Tensor
Product = Callable[[Vector], Vector]
RESIDUAL = 1e-10  # squared norm at which conjugate gradients stop


class Solution(NamedTuple):
    """Solution of A x = b.

    Attributes:
        x: the solution.
        iterations: number of iterations.
        residual: Euclidean norm of the residual.
    """

    x: Vector
    iterations: int
    residual: float


class Step(NamedTuple):
    """Result of a trust-region step.

    Attributes:
        accepted: whether the parameters changed.
        loss, kl: values after the step, or of the old parameters if it was not accepted.
        backtracks: number of rejected step lengths.
        solution: result of the conjugate gradients.
        slope: Euclidean norm of the gradient.
    """

    accepted: bool
    loss: float
    kl: float
    backtracks: int
    solution: Solution
    slope: float


class TrustRegionSettings(NamedTuple):
    """Settings of a trust-region step.

    Attributes:
        max_kl: δ, the upper bound of C.
        cg_iterations: maximum number of conjugate gradient iterations.
        cg_damping: added to the diagonal of the Hessian.
        line_search_steps: number of step lengths to try.
        line_search_decay: d, the ratio of successive lengths.
    """

    max_kl: float = 0.01
    cg_iterations: int = 10
    cg_damping: float = 1e-5
    line_search_steps: int = 15
    line_search_decay: float = 0.8


def conjugate_gradients(product: Product, b: Vector, iterations: int) -> Solution:
    """Solve A x = b for a positive definite A, in float64.

    Args:
        product: x -> A x.
        b: right-hand side, float64.
        iterations: maximum number of iterations.
    Source: Hestenes and Stiefel 1952.
    """
    x, residual = torch.zeros_like(b), b.clone()
    direction, squared = residual.clone(), residual @ residual
    done = 0
    while done < iterations and squared >= RESIDUAL:
        along = product(direction)
        step = squared / (direction @ along)
        x, residual = x + step * direction, residual - step * along
        before, squared = squared, residual @ residual
        direction = residual + squared / before * direction
        done += 1
    return Solution(x, done, float(squared.sqrt()))


def hessian_product(value: Tensor, parameters: list[Tensor], damping: float = 0.0) -> Product:
    """Return products with the exact Hessian of a scalar, in reverse-over-reverse mode.

    The graph of the gradient is built once and reused by every product.

    Args:
        value: a scalar with a graph.
        parameters: differentiate with respect to these.
        damping: added to the diagonal of the Hessian.
    Returns:
        A function of float64 vectors; the product itself has the precision of the parameters.
    """
    slope = flat(torch.autograd.grad(value, parameters, create_graph=True))

    def product(vector: Vector) -> Vector:
        along = slope @ vector.to(slope.dtype)
        parts = torch.autograd.grad(along, parameters, retain_graph=True, materialize_grads=True)
        return flat(parts).double() + damping * vector

    return product


def trust_region_step(
    objective: Callable[[], tuple[Tensor, Tensor]],
    parameters: list[Tensor],
    settings: TrustRegionSettings,
    constraint: Callable[[], Tensor] | None = None,
) -> Step:
    """Minimise L subject to C ≤ δ: θ ← θ − β d^j x with H x = ∇L and β = √(2δ / xᵀH x).

    H is ∇²C + damping. The smallest j that lowers L and satisfies C ≤ δ is accepted. If there is
    none, or a value is not finite, the parameters do not change.

    Args:
        objective: L and C with their graphs, at the current parameters.
        parameters: θ, changed in place.
        settings: δ, d and the other constants.
        constraint: C for the Hessian products, if they use less data; None: that of `objective`.
    Source: TRPO, appendix C; MAML.
    """
    loss, kl = objective()
    gradient = flat(torch.autograd.grad(loss, parameters, retain_graph=True)).double()
    before, start = loss.item(), [p.detach().clone() for p in parameters]
    curvature = kl if constraint is None else constraint()
    product = hessian_product(curvature, parameters, settings.cg_damping)
    solution = conjugate_gradients(product, gradient, settings.cg_iterations)
    slope, divergence = float(gradient.norm()), kl.item()
    squared = float(solution.x @ product(solution.x))
    length = math.sqrt(2 * settings.max_kl / (squared + 1e-8)) if squared > 0 else math.nan
    stays = Step(False, before, divergence, settings.line_search_steps, solution, slope)
    if not math.isfinite(length * float(solution.x.norm())):
        return stays
    for tried in range(settings.line_search_steps):
        _move(parameters, start, solution.x, length * settings.line_search_decay**tried)
        with torch.no_grad():
            new_loss, new_kl = (float(value) for value in objective())
        if new_loss < before and new_kl <= settings.max_kl:
            return Step(True, new_loss, new_kl, tried, solution, slope)
    _move(parameters, start, torch.zeros_like(solution.x), 0.0)
    return stays


def flat(tensors: tuple[Tensor, ...] | list[Tensor]) -> Vector:
    """All entries of these tensors as one vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


@torch.no_grad()
def _move(parameters: list[Tensor], start: list[Tensor], direction: Vector, length: float) -> None:
    """θ = start − length · direction; length 0 restores the start bit for bit."""
    parts = direction.split([p.numel() for p in parameters])
    for parameter, begin, part in zip(parameters, start, parts, strict=True):
        parameter.copy_(begin)
        if length:
            parameter.sub_((length * part).reshape(begin.shape).to(begin.dtype))
