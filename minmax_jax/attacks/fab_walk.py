"""FAB's walk along the boundary of a class, to its point that is nearest to the image."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from minmax_jax.attacks.ball import Eps, Norm, per_image, size
from minmax_jax.attacks.hyperplane import differences, nearest_face, smallest_change
from minmax_jax.attacks.losses import Aim
from minmax_jax.attacks.selection import Nearest, choose
from minmax_jax.checks import check_count, check_least, check_number
from minmax_jax.evaluation import Model

ROUNDING = 1e-5  # of the largest logit: logits may differ by this much in batches of another size
SEARCHES = 3  # of the segment from the image to the best point, as in the paper
LEAP = 5  # while no point beyond the boundary is known, every so many steps leap there
PAST = 0.01  # of the rest of the segment: how far a search goes past the root that it expects


def slack(logits: Float[Array, "n classes"]) -> Float[Array, " n"]:
    """How far beyond a boundary an image must be, in logits, for no rounding to bring it back."""
    return ROUNDING * lax.stop_gradient(jnp.abs(logits).max(1))


@dataclass(frozen=True)
class Walk:
    """A walk of ``steps`` onto hyperplanes, past them by ``eta``, drawn to the image by ``alpha_max``.

    From a point beyond the boundary the walk goes back to ``beta`` of its distance. While no such point has
    been found, every fifth step leaps: each pixel goes to the end of [0, 1] at which the hyperplane's
    function is larger. The leap is this study's: on flat networks the walk gets stuck inside, and comes near
    from outside. Raises ValueError for steps < 1, alpha_max outside [0, 1], eta < 1, or beta outside [0, 1).
    Source: Croce and Hein 2020 (FAB), algorithm 1.
    """

    model: Model
    norm: Norm
    steps: int
    alpha_max: Eps
    eta: Eps
    beta: Eps

    def __post_init__(self) -> None:
        checked = {
            "steps": check_count("steps", self.steps),
            "alpha_max": check_number(
                "alpha_max", self.alpha_max, "a number in [0, 1]", lambda number: 0 <= number <= 1
            ),
            "eta": check_least("eta", self.eta, 1),
            "beta": check_number("beta", self.beta, "a number in [0, 1)", lambda number: 0 <= number < 1),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def __call__(
        self,
        limit: Array,
        active: Array,
        best: Nearest,
        start: Array,
        x0: Array,
        aim: Aim,
        others: Array,
    ) -> Nearest:
        """The nearest points after a walk.

        Args:
            limit: an image is done once its nearest point is within this distance.
            active: (n,), the images that must be done for the walk to end early.
            best: the nearest points so far.
            start: (n, h, w, c), where the walk begins.
            x0: (n, h, w, c), the images.
            aim: labels, and targets or None; with targets the walk is into their own regions.
            others: (n, k), the classes that the walk is towards, without targets.
        """

        def clearance(x: Array) -> Array:
            logits = self.model(x)
            return aim.loss("margin")(logits) - slack(logits)

        def faces(logits: Array) -> Array:
            if aim.targets is None:
                return differences(logits, aim.labels, others) - slack(logits)[None]
            return (aim.loss("margin")(logits) - slack(logits))[None]

        def going(state: tuple[Array, Array, Nearest]) -> Array:
            count, _, (_, distance) = state
            return (count < self.steps) & (active & (distance > limit)).any()

        def step(state: tuple[Array, Array, Nearest]) -> tuple[Array, Array, Nearest]:
            count, x, nearest = state
            value, slope = nearest_face(self.model, x, faces, self.norm)
            leaps = jnp.isinf(nearest.distance) & (count % LEAP == LEAP - 1)
            end = jnp.where(slope > 0, 1, jnp.where(slope < 0, 0, x))
            x = choose(leaps, end, self.advance(x, x0, value, slope))
            found = clearance(x) > 0
            new = Nearest(x, size(x - x0, self.norm))
            better = found & (new.distance < nearest.distance) & (nearest.distance > limit)
            back = choose(found, x0 + self.beta * (x - x0), x)
            return count + 1, back, choose(better, new, nearest)

        _, _, best = lax.while_loop(going, step, (jnp.array(0), start, best))
        return self.pull_back(best, x0, clearance)

    def advance(self, x: Array, x0: Array, value: Array, slope: Array) -> Array:
        """Onto a hyperplane, and past it by eta - 1 of the way, from x and, with weight alpha, from x0."""
        from_x = smallest_change(x, slope, -value, self.norm)
        # In exact arithmetic b - <w, x0>; computed from the difference of the points, it keeps its digits.
        rise = (slope * (x - x0)).sum((1, 2, 3)) - value
        from_x0 = smallest_change(x0, slope, rise, self.norm)
        near, far = (jnp.maximum(size(change, self.norm), 1e-8) for change in (from_x, from_x0))
        alpha = per_image(jnp.minimum(near / (near + far), self.alpha_max))
        mixed = (1 - alpha) * (x + self.eta * from_x) + alpha * (x0 + self.eta * from_x0)
        return jnp.clip(mixed, 0, 1)

    def pull_back(self, best: Nearest, x0: Array, clearance: Callable[[Array], Array]) -> Nearest:
        """The best points moved towards their images by regula falsi, while they stay beyond the boundary."""
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
        new = Nearest(nearer, size(nearer - x0, self.norm))
        return choose(jnp.isfinite(distance) & (new.distance < distance), new, best)
