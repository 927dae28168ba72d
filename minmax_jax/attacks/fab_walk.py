"""A walk along the boundary of a class, to its point that is nearest to the image."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from minmax_jax.attacks.ball import Eps, Norm, per_image, size
from minmax_jax.attacks.hyperplane import differences, nearest_face, smallest_change
from minmax_jax.attacks.losses import margin
from minmax_jax.checks import check_count, is_known
from minmax_jax.evaluation import Model

ROUNDING = 1e-5  # of the largest logit: batches of another size may give logits that differ by so much
SEARCHES = 3  # of the segment from the image to the best point, as in the paper
LEAP = 5  # as long as no point beyond the boundary is known, one in so many steps leaps there
PAST = 0.01  # of the rest of the segment: how far a search goes past the root that it expects

Best = tuple[Float[Array, "n h w c"], Float[Array, " n"]]  # the nearest points found, and their distances


def slack(logits: Float[Array, "n classes"]) -> Float[Array, " n"]:
    """By how much an image has to be beyond a boundary, in logits, for no rounding to bring it back."""
    return ROUNDING * lax.stop_gradient(jnp.abs(logits).max(1))


@dataclass(frozen=True)
class Walk:
    """How to walk: ``steps`` onto hyperplanes, past them by ``eta``, drawn to the image by ``alpha_max``.

    From a point beyond the boundary the walk goes back to ``beta`` of its distance. As long as none has been
    found, every fifth step leaps: each pixel goes to the end of [0, 1] at which the hyperplane's function is
    larger. That is this study's: on flat networks the walk gets stuck inside, and comes near from outside.
    Raises ValueError for steps < 1, alpha_max outside [0, 1], eta < 1, or beta outside [0, 1).
    Source: Croce and Hein 2020 (FAB), algorithm 1.
    """

    model: Model
    norm: Norm
    steps: int
    alpha_max: Eps
    eta: Eps
    beta: Eps

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        for name, value, takes, fits in (
            ("alpha_max", self.alpha_max, "a number in [0, 1]", lambda x: 0 <= x <= 1),
            ("eta", self.eta, "a finite number >= 1", lambda x: 1 <= x < float("inf")),
            ("beta", self.beta, "a number in [0, 1)", lambda x: 0 <= x < 1),
        ):
            if is_known(value) and not fits(value):
                raise ValueError(f"{name} must be {takes}, got {value}")

    def __call__(
        self,
        limit: Array,
        active: Array,
        best: Best,
        start: Array,
        x0: Array,
        labels: Array,
        targets: Array | None,
        others: Array,
    ) -> Best:
        """The best points after a walk from ``start``. An image is done once its best is within ``limit``.

        The walk is towards the ``others`` or, if there are ``targets``, into their own regions.
        """

        def clearance(x: Array) -> Array:
            logits = self.model(x)
            beyond = margin(logits, labels) if targets is None else -margin(logits, targets)
            return beyond - slack(logits)

        def faces(logits: Array) -> Array:
            if targets is None:
                return differences(logits, labels, others) - slack(logits)[None]
            return (-margin(logits, targets) - slack(logits))[None]

        def going(state: tuple[Array, Array, Best]) -> Array:
            count, _, (_, distance) = state
            return (count < self.steps) & (active & (distance > limit)).any()

        def step(state: tuple[Array, Array, Best]) -> tuple[Array, Array, Best]:
            count, x, (points, distance) = state
            value, slope = nearest_face(self.model, x, faces, self.norm)
            leaps = jnp.isinf(distance) & (count % LEAP == LEAP - 1)
            end = jnp.where(slope > 0, 1, jnp.where(slope < 0, 0, x))
            x = jnp.where(leaps[:, None, None, None], end, self.advance(x, x0, value, slope))
            found = clearance(x) > 0
            new = size(x - x0, self.norm)
            better = found & (new < distance) & (distance > limit)
            nearest = jnp.where(better[:, None, None, None], x, points), jnp.where(better, new, distance)
            return count + 1, jnp.where(found[:, None, None, None], x0 + self.beta * (x - x0), x), nearest

        _, _, best = lax.while_loop(going, step, (jnp.array(0), start, best))
        return self.pull_back(best, x0, clearance)

    def advance(self, x: Array, x0: Array, value: Array, slope: Array) -> Array:
        """Onto a hyperplane and eta - 1 of the way past it, from x and, with the weight alpha, from x0."""
        from_x = smallest_change(x, slope, -value, self.norm)
        # In exact arithmetic b - <w, x0>; as a difference of points it keeps its digits.
        rise = (slope * (x - x0)).sum((1, 2, 3)) - value
        from_x0 = smallest_change(x0, slope, rise, self.norm)
        near, far = (jnp.maximum(size(change, self.norm), 1e-8) for change in (from_x, from_x0))
        alpha = per_image(jnp.minimum(near / (near + far), self.alpha_max))
        mixed = (1 - alpha) * (x + self.eta * from_x) + alpha * (x0 + self.eta * from_x0)
        return jnp.clip(mixed, 0, 1)

    def pull_back(self, best: Best, x0: Array, clearance: Callable[[Array], Array]) -> Best:
        """The best points moved to their images by regula falsi, while they stay beyond the boundary."""
        points, distance = best

        def at(share: Array) -> Array:
            return jnp.clip(x0 + per_image(share) * (points - x0), 0, 1)

        def search(state: Any, _: None) -> tuple[Any, None]:
            low, high, below, above = state
            root = -below / jnp.maximum(above - below, 1e-12)
            share = low + (high - low) * jnp.clip(root + PAST * (1 - root), 0, 1)
            value = clearance(at(share))
            found = value > 0
            low, below = jnp.where(found, low, share), jnp.where(found, below, value)
            return (low, jnp.where(found, share, high), below, jnp.where(found, value, above)), None

        ends = jnp.zeros_like(distance), jnp.ones_like(distance)
        (_, share, _, _), _ = lax.scan(search, (*ends, clearance(x0), clearance(points)), length=SEARCHES)
        nearer = at(share)
        new = size(nearer - x0, self.norm)
        better = jnp.isfinite(distance) & (new < distance)
        return jnp.where(better[:, None, None, None], nearer, points), jnp.where(better, new, distance)
