"""A step inside a trust region: conjugate gradients with exact Hessian products, then backtracking."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Vector = Tensor
Product = Callable[[Vector], Vector]
RESIDUAL = 1e-10  # squared norm at which conjugate gradients stop


class Solution(NamedTuple):
    """Attributes:
    x: the solution.
    iterations: how many were made.
    residual: Euclidean norm of what is left.
    """

    x: Vector
    iterations: int
    residual: float


class Step(NamedTuple):
    """Result of a step.

    Attributes:
        accepted: whether the parameters were moved.
        loss, kl: afterwards; of the old parameters if they were not moved.
        backtracks: how many lengths were refused.
        solution: of the conjugate gradients.
        slope: Euclidean norm of the gradient.
    """

    accepted: bool
    loss: float
    kl: float
    backtracks: int
    solution: Solution
    slope: float


class TrustRegionSettings(NamedTuple):
    """Attributes:
    max_kl: δ, the most that C may be.
    cg_iterations: of the conjugate gradients, at most.
    cg_damping: is added to the diagonal of the Hessian.
    line_search_steps: lengths that are tried.
    line_search_decay: from one length to the next.
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
        b: right side, float64.
        iterations: at most.
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
    """Products with the exact Hessian of a scalar, reverse over reverse.

    The graph of the gradient is made once and used by every product.

    Args:
        value: a scalar with a graph.
        parameters: what it is differentiated by.
        damping: is added to the diagonal.
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
    """Minimise L with C ≤ δ: θ ← θ − β 0.8^j x with (∇²C + damping) x = ∇L, β = √(2δ / xᵀ∇²C x).

    The first j that lowers L and keeps C is accepted; if there is none, or anything is not finite,
    the parameters stay exactly what they were.

    Args:
        objective: L and C with their graphs, at the present parameters.
        parameters: θ; moved in place.
        settings: sizes.
        constraint: C for the Hessian products, if they are to be made of fewer data.
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
    """All numbers of these tensors as one vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


@torch.no_grad()
def _move(parameters: list[Tensor], start: list[Tensor], direction: Vector, length: float) -> None:
    """θ = start − length · direction; length 0 restores the start bit for bit."""
    parts = direction.split([p.numel() for p in parameters])
    for parameter, begin, part in zip(parameters, start, parts, strict=True):
        parameter.copy_(begin)
        if length:
            parameter.sub_((length * part).reshape(begin.shape).to(begin.dtype))
