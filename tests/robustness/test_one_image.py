"""One image under attack, compared with the same attack on a batch of one."""

import jax
import numpy as np
import pytest

import minmax_jax as mm
from helpers.refusal import refuses
from helpers.small import digits, run
from minmax_jax.robustness.one_image import attack_one


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
def test_it_is_the_named_attack_on_a_batch_of_one(attack):
    model, test = run().model, digits().test
    moved, logits = attack_one(model, test.images[5], int(test.labels[5]), 0.1, attack, seed=2)
    function = mm.attacks.NAMED[attack].function
    expected = function(model, test.images[5:6], test.labels[5:6], 0.1, key=jax.random.key(2))
    np.testing.assert_allclose(moved, expected[0], atol=1e-5)
    both = np.stack([test.images[5], moved])
    np.testing.assert_allclose(logits, model(both), atol=1e-4)


def test_without_a_label_the_models_own_answer_is_attacked():
    model, image = run().model, digits().test.images[5]
    own = int(model(image[None]).argmax())
    np.testing.assert_array_equal(
        attack_one(model, image, None, 0.1, "fgsm")[0], attack_one(model, image, own, 0.1, "fgsm")[0]
    )


def test_unfit_arguments_are_refused():
    image = digits().test.images[0]
    with refuses("attacks is ['magic']"):
        attack_one(run().model, image, 0, 0.1, "magic")
    with refuses("eps must be a number in [0, 1], got 2.0"):
        attack_one(run().model, image, 0, 2.0)
    with refuses("label must be a number below 10, got 12"):
        attack_one(run().model, image, 12, 0.1)
    with refuses("image has values from"):
        attack_one(run().model, image + 0.5, 0, 0.1)
