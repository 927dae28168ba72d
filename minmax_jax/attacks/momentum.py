"""The momentum iterative fast gradient sign method."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, level, per_image, project, size, stepped
from minmax_jax.attacks.inputs import checked, evaluated
from minmax_jax.attacks.losses import ascent, climbed, rank
from minmax_jax.checks import AnyArray, check_count, is_known, one_of
from minmax_jax.evaluation import Model

NORMS: tuple[Norm, ...] = ("linf", "l2")


def momentum(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    norm: Norm = "linf",
    targets: Int[AnyArray, " n"] | None = None,
    steps: int = 10,
    step_size: Eps | None = None,
    decay: Eps = 1.0,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Momentum iterative FGSM (MI-FGSM): PGD from the image along a running sum of gradients.

    ``g <- decay g + grad_x loss / |grad_x loss|_1``, then ``x <- project(x + step_size sign(g))`` by "linf",
    and ``g / |g|_2`` in place of ``sign(g)`` by "l2"; the loss is cross-entropy, of the labels or against
    the ``targets``. ``step_size`` is by default ``eps / steps``; ``decay`` (mu, >= 0) is 1 as in the paper.
    The result is the last point or, where that is no better, the image itself: never worse than no attack,
    and an image that is misclassified already comes back as it was. A Flax module is attacked in evaluation
    mode.
    ``key`` is taken so that all attacks are called alike, and not used. Pure and jittable.

    Raises ValueError for images or eps out of range, labels that name no class, norm "l1", steps < 1, or
    step_size or decay < 0.
    Source: Dong et al. 2018, algorithm 1 and equations 6 to 9.
    Identity: with decay 0 it is PGD of the same steps without a random start.
    """
    model = evaluated(model)
    one_of("norm", norm, NORMS)
    x0, truth, _ = checked(model, images, labels, eps, norm, targets=targets)
    goals = None if targets is None else jnp.asarray(targets)
    check_count("steps", steps)
    for name, value in (("step_size", step_size), ("decay", decay)):
        if value is not None and is_known(value) and not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be a finite number >= 0, got {value}")
    stride = eps / steps if step_size is None else step_size
    climb = climbed("ce", truth, goals)

    def step(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        x, memory = state
        gradient = level(ascent(model, x, climb))
        memory = decay * memory + gradient / per_image(jnp.maximum(size(gradient, "l1"), 1))
        return (project(stepped(x, memory, stride, norm), x0, eps, norm), memory), None

    (end, _), _ = lax.scan(step, (x0, jnp.zeros_like(x0)), length=steps)
    before, after = (rank(model(x), truth, goals, climb) for x in (x0, end))
    return jnp.where(per_image(after > before), end, x0)
