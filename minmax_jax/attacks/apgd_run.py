"""One run of Auto-PGD from one start: the loop, and what it carries along for each image."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.apgd_steps import Dense, Sparse, clip_to_ball, schedule
from minmax_jax.attacks.ball import Eps, Norm, project
from minmax_jax.attacks.compaction import on_active
from minmax_jax.attacks.losses import Aim, Loss, value_and_ascent
from minmax_jax.attacks.selection import Scored, choose
from minmax_jax.evaluation import Model

FIRST_LEG = 2  # evaluations before broken images are first sorted out; each leg is twice as long as the last


class Settings(NamedTuple):
    """Settings of a run, all known when it is compiled."""

    norm: Norm
    loss: Loss
    steps: int
    rho: float
    any_class: bool = False  # whether any misclassification ends a run, even one that has targets


class State(NamedTuple):
    """State of a run, for each image. Losses are infinite at a point where the aim is reached."""

    point: Float[Array, "n h w c"]
    previous: Float[Array, "n h w c"]
    gradient: Float[Array, "n h w c"]
    loss: Float[Array, " n"]
    best: Float[Array, "n h w c"]
    best_gradient: Float[Array, "n h w c"]
    best_loss: Float[Array, " n"]
    memory: Any


def apgd_run(
    model: Model,
    x0: Float[Array, "n h w c"],
    start: Float[Array, "n h w c"],
    aim: Aim,
    active: Bool[Array, " n"],
    eps: Eps,
    settings: Settings,
) -> Scored:
    """Best points of the active images, and their losses: infinite where the aim is reached, which ends it.

    The cost falls with the number of images that still run: they are worked on in legs, each twice as long as
    the one before, and gathered anew before each.

    Args:
        model: a callable from images to logits.
        x0: (n, h, w, c), the images, in the middle of the ball.
        start: (n, h, w, c), the points to begin with, which need not be in the ball yet.
        aim: labels, and targets or None.
        active: (n,), which images to attack; the points of others are their starts, with a loss of -inf.
        eps: radius of the ball.
        settings: norm, loss, steps and rho.
    """
    rule = Sparse() if settings.norm == "l1" else Dense(settings.norm, settings.rho)
    plan = schedule(settings.steps, settings.norm)
    begins, checks, scales = map(jnp.asarray, plan)
    ends = leg_ends(len(plan.begins))

    def leg(state: State, span: tuple[Array, Array]) -> tuple[State, None]:
        first, end = span

        def work(mask: Array, state: State, x0: Array, aim: Aim) -> State:
            def going(carry: tuple[Array, State]) -> Array:
                i, now = carry
                return (i < end) & (mask & (now.best_loss < jnp.inf)).any()

            def evaluation(carry: tuple[Array, State]) -> tuple[Array, State]:
                i, now = carry
                radius = scales[i] * eps

                def begin() -> State:
                    return _begun(now, x0, radius, rule, settings.norm)

                def step() -> State:
                    moved = rule.move(now.memory, now.point, now.previous, now.gradient, x0, radius)
                    return now._replace(point=moved, previous=now.point)

                moved = lax.cond(begins[i], begin, step)
                # An aim that is reached where the ball is wider than the attack's does not count.
                seen = _evaluated(model, moved, aim, scales[i] == 1, ~begins[i], rule, settings)
                return i + 1, lax.cond(checks[i], lambda: _checked(seen, x0, radius, rule), lambda: seen)

            return lax.while_loop(going, evaluation, (first, state))[1]

        running = active & (state.best_loss < jnp.inf)
        return on_active(work, running, state, state, x0, aim), None

    def run() -> State:
        return lax.scan(leg, initial, (jnp.asarray(ends[:-1]), jnp.asarray(ends[1:])))[0]

    n = len(x0)
    zeros, low = jnp.zeros_like(x0), jnp.full(n, -jnp.inf, x0.dtype)
    initial = State(start, start, zeros, -low, start, zeros, low, rule.begin(zeros, eps))
    final = lax.cond(active.any(), run, lambda: initial)
    return Scored(final.best, final.best_loss)


def leg_ends(evaluations: int) -> Int[np.ndarray, " ends"]:
    """Where legs end, from 0 on: 2, then 4, 8, ... evaluations, up to all of them."""
    ends = [0, min(FIRST_LEG, evaluations)]
    while ends[-1] < evaluations:
        ends.append(min(2 * ends[-1], evaluations))
    return np.asarray(ends, np.int32)


def _begun(state: State, x0: Array, radius: Eps, rule: Dense | Sparse, norm: Norm) -> State:
    """A phase begun at the best point so far, brought into the ball of this radius."""
    bring = project if norm == "l1" else clip_to_ball
    point = bring(state.best, x0, radius, norm)
    low = jnp.full_like(state.loss, -jnp.inf)
    memory = rule.begin(point - x0, radius)
    return state._replace(point=point, previous=point, loss=-low, best_loss=low, memory=memory)


def _evaluated(
    model: Model,
    state: State,
    aim: Aim,
    counts: Array,
    stepped: Array,
    rule: Dense | Sparse,
    settings: Settings,
) -> State:
    """The loss and gradient at the point, in one pass; the best is updated where it is beaten.

    ``counts`` says whether an aim that is reached counts, ``stepped`` whether a step led to the point.
    """
    until = aim._replace(targets=None) if settings.any_class else aim

    def look(logits: Array) -> tuple[Array, Array]:
        return aim.loss(settings.loss)(logits), until.is_reached(logits)

    (loss, reached), gradient = value_and_ascent(model, state.point, look)
    rose = loss > state.loss
    loss = jnp.where(reached & counts, jnp.inf, loss)
    new, old = (state.point, gradient, loss), (state.best, state.best_gradient, state.best_loss)
    best, best_gradient, best_loss = choose(loss > state.best_loss, new, old)
    memory = rule.note(state.memory, rose, stepped)
    return state._replace(
        gradient=gradient,
        loss=loss,
        best=best,
        best_gradient=best_gradient,
        best_loss=best_loss,
        memory=memory,
    )


def _checked(state: State, x0: Array, radius: Eps, rule: Dense | Sparse) -> State:
    """The run after a check of its step size: where the rule says so, back at its best point."""
    memory, back = rule.check(state.memory, state.best - x0, state.best_loss, radius)
    point, gradient = choose(back, (state.best, state.best_gradient), (state.point, state.gradient))
    return state._replace(point=point, gradient=gradient, memory=memory)
