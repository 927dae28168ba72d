"""Square Attack: random search that asks a model for its logits alone."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.ball import Eps, Norm
from minmax_jax.attacks.compaction import on_active
from minmax_jax.attacks.inputs import attack_inputs
from minmax_jax.attacks.losses import Aim
from minmax_jax.attacks.selection import Scored, best_of, better
from minmax_jax.attacks.square_proposals import proposals
from minmax_jax.checks import AnyArray, as_key, check_count, check_flag, check_number, one_of, plain
from minmax_jax.evaluation import Model

SquareLoss = Literal["margin", "ce"]
BLOCK = 100  # queries between two checks of which images still withstand


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

    In "linf" it starts at vertical stripes of -eps and eps, and sets a square to one of both in each channel.
    In "l2" and "l1" it starts at 5 x 5 patterns of a hill and a hollow, and moves the change in one square to
    another, where it adds a pattern. Squares shrink on a fixed schedule. An image that is misclassified (as
    the target, if there is one) is done, and costs no further queries. The result is the best, by that and
    then by the loss, of the image itself and the ends of all restarts. Pure and jittable.

    Args:
        model: any callable from images to logits; a Flax module is attacked in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: radius of the ball, in pixel units: in [0, 1] in "linf", >= 0 in the other norms.
        norm: norm of the ball.
        targets: (n,), classes that the attack climbs towards; None: away from the label.
        queries: queries of each restart at most, at least 1. More may do worse where the schedule is
            stretched to their number, as other squares are tried.
        p_init: share of the image that the first squares take, in (0, 1].
        stretched: whether the schedule, one for 10,000 queries, is stretched to ``queries`` or cut off there.
        restarts: number of starts, at least 1; more are never worse for the same key.
        loss: "margin" or "ce" (cross-entropy).
        key: jax random key; None: ``jax.random.key(0)``.

    Raises:
        ValueError: for images or eps out of range, labels or targets that name no class, queries or
            restarts < 1, or p_init outside (0, 1].

    Source: Andriushchenko et al. 2020; "l1" as Croce and Hein 2021. AutoAttack does not stretch the schedule.
    Identity: on a linear model, in "linf" and with enough queries, the worst case of the ball and the box, up
    to where the label is lost.
    """
    one_of("loss", loss, get_args(SquareLoss))
    model, x0, aim, _ = attack_inputs(model, images, labels, eps, norm, targets=targets)
    eps, queries = plain(eps), check_count("queries", queries)
    restarts, stretched = check_count("restarts", restarts), check_flag("stretched", stretched)
    takes = "a share of the image in (0, 1]"
    p_init = check_number("p_init", p_init, takes, lambda share: 0 < share <= 1, traced=False)
    start, propose, draws = proposals(norm, x0.shape[1:], eps, queries, p_init, stretched)

    def score(x: Array, aim: Aim) -> Float[Array, " n"]:
        return aim.score(loss, model(x))

    def block(first: Array, state: Scored, keys: Array) -> Scored:
        """The next queries, for the images that still withstand."""
        end = jnp.minimum(first + BLOCK, queries)

        def search(mask: Array, best: Scored, x: Array, aim: Aim, keys: Array) -> Scored:
            drawn = jax.vmap(lambda key: _draw(key, first, draws), out_axes=1)(keys)

            def query(state: tuple[Array, Scored]) -> tuple[Array, Scored]:
                number, best = state
                tried = propose(x, best.points, number, drawn[number - first])
                return number + 1, better(Scored(tried, score(tried, aim)), best)

            def going(state: tuple[Array, Scored]) -> Bool[Array, ""]:
                return (state[0] < end) & (mask & _withstands(state[1])).any()

            return lax.while_loop(going, query, (first, best))[1]

        return on_active(search, _withstands(state), state, state, x0, aim, keys)

    def restart(best: Scored, key: Array) -> Scored:
        one, other = jax.random.split(key)
        keys = jax.random.split(other, len(x0))
        begin = start(one, x0)
        begun = on_active(lambda _, *chunk: score(*chunk), _withstands(best), best.score, begin, aim)

        def advance(state: tuple[Array, Scored]) -> tuple[Array, Scored]:
            return state[0] + BLOCK, block(*state, keys)

        def going(state: tuple[Array, Scored]) -> Bool[Array, ""]:
            return (state[0] < queries) & _withstands(state[1]).any()

        return lax.while_loop(going, advance, (jnp.int32(0), Scored(begin, begun)))[1]

    return best_of(restart, Scored(x0, score(x0, aim)), jax.random.split(as_key(key), restarts))


def _withstands(state: Scored) -> Bool[Array, " n"]:
    """Which images are not yet misclassified: these have a finite score."""
    return state.score < jnp.inf


def _draw(key: Array, first: Array, draws: int) -> Float[Array, "block draws"]:
    """Uniform numbers in [0, 1) for an image's queries from the ``first`` on."""
    return jax.random.uniform(jax.random.fold_in(key, first), (BLOCK, draws), jnp.float32)
