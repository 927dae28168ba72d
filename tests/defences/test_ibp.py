"""IBP training: an upper bound of the loss under every attack."""

import jax
import jax.numpy as jnp
import pytest

import minmax_jax as mm
from helpers.defending import assert_close, graded
from helpers.filled import filled
from helpers.small import digits
from minmax_jax.defences import IBP, Adversarial

pytestmark = pytest.mark.slow

PLAIN = mm.Objective()


def ibp(*arguments, **options):
    return mm.Objective(defence=IBP(*arguments, **options))


@pytest.fixture(scope="module", params=["modern", "classic"])
def case(request):
    """A small LeNet, and digits cut down to its size."""
    model = filled(lambda rngs: mm.LeNet((12, 12, 1), variant=request.param, rngs=rngs))
    images = jnp.asarray(digits().train.images[:8, 8:20, 8:20])
    return model, images, jnp.asarray(digits().train.labels[:8])


@pytest.mark.parametrize("objective", [ibp(0.0, kappa=0.3, warmup=0.0), ibp(0.2, kappa=1.0, warmup=0.0)])
def test_a_radius_of_zero_or_a_kappa_of_one_is_plain_training(case, objective):
    assert_close(graded(objective, *case)[1], graded(PLAIN, *case)[1], rtol=1e-3, atol=1e-4)
    got, plain = graded(objective, *case)[0], graded(PLAIN, *case)[0]
    assert_close(got[:2], plain[:2], rtol=1e-4)


@pytest.mark.parametrize("eps", [0.02, 0.1])
def test_it_is_no_less_than_the_loss_under_attack(case, eps):
    bound, _ = graded(ibp(eps, kappa=0.0, warmup=0.0), *case)
    attacked, _ = graded(mm.Objective(defence=Adversarial(eps)), *case)
    assert float(bound.loss) >= float(attacked.loss)
    assert float(bound.accuracy) <= float(attacked.accuracy)
    assert float(bound.cross_entropy) == pytest.approx(float(graded(PLAIN, *case)[0].loss), rel=1e-5)


def test_it_mixes_the_clean_loss_and_the_bound_by_kappa(case):
    ends, half = [graded(ibp(0.1, kappa=k, warmup=0.0), *case) for k in (0.0, 1.0)], ibp(0.1, warmup=0.0)
    (worst, of_worst), (clean, of_clean) = ends
    got, gradient = graded(half, *case)
    assert float(got.loss) == pytest.approx(float(worst.loss + clean.loss) / 2, rel=1e-5)
    assert_close(gradient, jax.tree.map(lambda a, b: (a + b) / 2, of_worst, of_clean), rtol=1e-3, atol=1e-3)


def test_radius_and_kappa_change_together_in_the_warm_up(case):
    objective = ibp(0.1, kappa=0.2, start=0.02, warmup=0.5)
    for progress, eps, kappa in [(0.0, 0.02, 1.0), (0.25, 0.06, 0.6), (0.5, 0.1, 0.2), (0.9, 0.1, 0.2)]:
        got, _ = graded(objective, *case, progress)
        expected, _ = graded(ibp(eps, kappa=kappa, warmup=0.0), *case)
        assert_close(got, expected, rtol=1e-4)
