"""Square Attack: random search that asks a model for its logits alone."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.ball import Eps, Norm
from minmax_jax.attacks.compaction import on_active
from minmax_jax.attacks.inputs import checked, evaluated
from minmax_jax.attacks.losses import climbed, rank
from minmax_jax.attacks.moves import moves
from minmax_jax.checks import AnyArray, check_count, one_of
from minmax_jax.evaluation import Model

SquareLoss = Literal["margin", "ce"]
BLOCK = 100  # queries between two looks at which images still stand

State = tuple[Float[Array, "n h w c"], Float[Array, " n"]]  # the best points so far, and their quality


def square(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    norm: Norm = "linf",
    targets: Int[AnyArray, " n"] | None = None,
    queries: int = 5000,
    p_init: float = 0.8,
    stretched: bool = True,
    restarts: int = 1,
    loss: SquareLoss = "margin",
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Square Attack: change a random square at a time, keep what raises the loss; no gradients.

    By "linf" it starts at vertical stripes of -eps and eps, and sets a square to one of both in each channel.
    By "l2" and "l1" it starts at 5 x 5 patterns of a hill and a hollow, and moves the change in one square
    to another, where it adds a pattern. Squares shrink on a fixed schedule from the share ``p_init`` of the
    image: one for 10,000 queries, ``stretched`` to their number or broken off there. ``loss`` is "margin" or
    "ce" (cross-entropy); with ``targets`` the attack climbs towards them. An image that is misclassified (as
    the target, if there is one) is done, and costs no further ``queries``. The result is the best, by that
    and then by the loss, of the image itself and the ends of all restarts.

    More ``restarts`` are never worse for the same ``key`` (``jax.random.key(0)`` if None). More queries may
    be, where the schedule is stretched to their number, so that other squares are tried. Pure and jittable.
    Raises ValueError for images or eps out of range, labels that name no class, queries or restarts < 1, or
    p_init outside (0, 1].
    Source: Andriushchenko et al. 2020; "l1" as Croce and Hein 2021. AutoAttack does not stretch the schedule.
    Identity: on a linear model, by "linf" and with queries enough, the worst case of the ball and the box, up
    to where the label is lost.
    """
    model = evaluated(model)
    one_of("loss", loss, get_args(SquareLoss))
    x0, truth, _ = checked(model, images, labels, eps, norm, targets=targets)
    check_count("queries", queries)
    check_count("restarts", restarts)
    if not 0 < p_init <= 1:
        raise ValueError(f"p_init must be a share of the image in (0, 1], got {p_init}")
    aims = None if targets is None else jnp.asarray(targets)
    start, propose, draws = moves(norm, x0.shape[1:], eps, queries, p_init, stretched)

    def quality(x: Array, y: Array, aim: Array | None) -> Float[Array, " n"]:
        return rank(model(x), y, aim, climbed(loss, y, aim))

    def block(first: Array, state: State, keys: Array) -> State:
        """The next queries, for the images that still stand."""
        end = jnp.minimum(first + BLOCK, queries)

        def search(mask: Array, best: State, x: Array, y: Array, aim: Array | None, keys: Array) -> State:
            drawn = jax.vmap(lambda key: _draw(key, first, draws), out_axes=1)(keys)

            def query(state: tuple[Array, State]) -> tuple[Array, State]:
                number, (points, qualities) = state
                tried = propose(x, points, number, drawn[number - first])
                new = quality(tried, y, aim)
                return number + 1, _better((points, qualities), (tried, new))

            def goes_on(state: tuple[Array, State]) -> Bool[Array, ""]:
                return (state[0] < end) & (mask & _stands(state[1])).any()

            return lax.while_loop(goes_on, query, (first, best))[1]

        return on_active(search, _stands(state), state, state, x0, truth, aims, keys)

    def restart(best: State, key: Array) -> tuple[State, None]:
        one, other = jax.random.split(key)
        keys = jax.random.split(other, len(x0))
        begin = start(one, x0)
        assess = on_active(lambda _, *chunk: quality(*chunk), _stands(best), best[1], begin, truth, aims)

        def go(state: tuple[Array, State]) -> tuple[Array, State]:
            return state[0] + BLOCK, block(*state, keys)

        def goes_on(state: tuple[Array, State]) -> Bool[Array, ""]:
            return (state[0] < queries) & _stands(state[1]).any()

        _, end = lax.while_loop(goes_on, go, (jnp.int32(0), (begin, assess)))
        return _better(best, end), None

    keys = jax.random.split(jax.random.key(0) if key is None else key, restarts)
    (points, _), _ = lax.scan(restart, (x0, quality(x0, truth, aims)), keys)
    return points


def _stands(state: State) -> Bool[Array, " n"]:
    """Which images are not yet misclassified: these have a finite loss."""
    return state[1] < jnp.inf


def _better(one: State, other: State) -> State:
    """For each image the point of the larger quality, the first of equal ones."""
    wins = other[1] > one[1]
    return jnp.where(wins[:, None, None, None], other[0], one[0]), jnp.where(wins, other[1], one[1])


def _draw(key: Array, first: Array, draws: int) -> Float[Array, "block draws"]:
    """Numbers in [0, 1) for an image's queries from the ``first`` on."""
    return jax.random.uniform(jax.random.fold_in(key, first), (BLOCK, draws), jnp.float32)
