"""One run of Auto-PGD from one start: the loop, and what it carries along for each image."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, project
from minmax_jax.attacks.compaction import on_active
from minmax_jax.attacks.dense import Dense, inside
from minmax_jax.attacks.losses import Loss, climbed, is_reached
from minmax_jax.attacks.sparse import Sparse
from minmax_jax.attacks.timeline import timeline
from minmax_jax.evaluation import Model

FIRST_LEG = 2  # evaluations before images that are broken are first sorted out; then twice as many each time


class Aim(NamedTuple):
    """What a climb is after: away from ``labels``, if given ``towards`` classes, until it is at ``until``."""

    labels: Int[Array, " n"]
    towards: Int[Array, " n"] | None = None
    until: Int[Array, " n"] | None = None  # None: at any class but the label


class Settings(NamedTuple):
    """Of a climb: all known when it is compiled."""

    norm: Norm
    loss: Loss
    steps: int
    rho: float


class State(NamedTuple):
    """Of a climb, for each image. Heights are the losses, infinite at a point where the aim is reached."""

    point: Float[Array, "n h w c"]
    previous: Float[Array, "n h w c"]
    gradient: Float[Array, "n h w c"]
    height: Float[Array, " n"]
    best: Float[Array, "n h w c"]
    best_gradient: Float[Array, "n h w c"]
    best_height: Float[Array, " n"]
    memory: Any


def climb(
    model: Model,
    x0: Float[Array, "n h w c"],
    start: Float[Array, "n h w c"],
    aim: Aim,
    active: Bool[Array, " n"],
    eps: Eps,
    settings: Settings,
) -> tuple[Float[Array, "n h w c"], Float[Array, " n"]]:
    """Best points of the active images' climbs from ``start``, and their heights.

    A climb ends where its aim is reached. Others are worked on in legs, each twice as long as the one before;
    before each, those that go on are gathered anew, so that the cost falls with their number. The points of
    images that are not active are their starts, of height -inf.
    """
    rule = Sparse() if settings.norm == "l1" else Dense(settings.norm, settings.rho)
    plan = timeline(settings.steps, settings.norm)
    begins, checks, scales = map(jnp.asarray, plan)
    ends = leg_ends(len(plan.begins))

    def leg(state: State, span: tuple[Array, Array]) -> tuple[State, None]:
        first, end = span

        def work(mask: Array, state: State, x0: Array, aim: Aim) -> State:
            def goes_on(carry: tuple[Array, State]) -> Array:
                i, now = carry
                return (i < end) & (mask & (now.best_height < jnp.inf)).any()

            def evaluation(carry: tuple[Array, State]) -> tuple[Array, State]:
                i, now = carry
                radius = scales[i] * eps

                def begin() -> State:
                    return _begun(now, x0, radius, rule, settings.norm)

                def step() -> State:
                    moved = rule.move(now.memory, now.point, now.previous, now.gradient, x0, radius)
                    return now._replace(point=moved, previous=now.point)

                moved = lax.cond(begins[i], begin, step)
                seen = _evaluated(model, moved, aim, scales[i] == 1, ~begins[i], rule, settings.loss)
                return i + 1, lax.cond(checks[i], lambda: _checked(seen, x0, radius, rule), lambda: seen)

            return lax.while_loop(goes_on, evaluation, (first, state))[1]

        going = active & (state.best_height < jnp.inf)
        return on_active(work, going, state, state, x0, aim), None

    def run() -> State:
        return lax.scan(leg, initial, (jnp.asarray(ends[:-1]), jnp.asarray(ends[1:])))[0]

    n = len(x0)
    zeros, low = jnp.zeros_like(x0), jnp.full(n, -jnp.inf, x0.dtype)
    initial = State(start, start, zeros, -low, start, zeros, low, rule.begin(zeros, eps))
    final = lax.cond(active.any(), run, lambda: initial)
    return final.best, final.best_height


def leg_ends(evaluations: int) -> Int[np.ndarray, " ends"]:
    """Where legs end, from 0 on: 2, then 4, 8, ... evaluations, up to all of them."""
    ends = [0, min(FIRST_LEG, evaluations)]
    while ends[-1] < evaluations:
        ends.append(min(2 * ends[-1], evaluations))
    return np.asarray(ends, np.int32)


def _begun(state: State, x0: Array, radius: Eps, rule: Dense | Sparse, norm: Norm) -> State:
    """The climb begun at its best point so far, brought into the ball of this radius."""
    point = project(state.best, x0, radius, norm) if norm == "l1" else inside(state.best, x0, radius, norm)
    low = jnp.full_like(state.height, -jnp.inf)
    memory = rule.begin(point - x0, radius)
    return state._replace(point=point, previous=point, height=-low, best_height=low, memory=memory)


def _evaluated(
    model: Model, state: State, aim: Aim, counts: Array, stepped: Array, rule: Dense | Sparse, loss: Loss
) -> State:
    """The climb with the loss and gradient at its point, in one pass; the best is renewed where it is beaten.

    An aim that is reached where the ball is wider than the attack's does not count.
    """

    def total(x: Array) -> tuple[Array, tuple[Array, Array]]:
        logits = model(x)
        heights = climbed(loss, aim.labels, aim.towards)(logits)
        return heights.sum(), (heights, is_reached(logits, aim.labels, aim.until))

    gradient, (heights, reached) = jax.grad(total, has_aux=True)(state.point)
    rose = heights > state.height
    heights = jnp.where(reached & counts, jnp.inf, heights)
    better = heights > state.best_height
    return state._replace(
        gradient=gradient,
        height=heights,
        best=jnp.where(per_image(better), state.point, state.best),
        best_gradient=jnp.where(per_image(better), gradient, state.best_gradient),
        best_height=jnp.where(better, heights, state.best_height),
        memory=rule.note(state.memory, rose, stepped),
    )


def _checked(state: State, x0: Array, radius: Eps, rule: Dense | Sparse) -> State:
    """The climb after a check of its step size: where the rule says so, back at its best point."""
    memory, back = rule.check(state.memory, state.best - x0, state.best_height, radius)
    return state._replace(
        point=jnp.where(per_image(back), state.best, state.point),
        gradient=jnp.where(per_image(back), state.best_gradient, state.gradient),
        memory=memory,
    )
