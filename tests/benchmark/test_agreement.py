"""Both sides compute the same loss, gradients and training, and it is noticed where they do not."""

import numpy as np
import pytest

from helpers.peers import NEEDED

pytestmark = NEEDED


@pytest.fixture(scope="module")
def differences():
    from minmax_jax.benchmark import agreement

    return agreement.differences()


def test_lenet_agrees_in_every_form(differences):
    from minmax_jax.benchmark import agreement

    assert agreement.objections(differences) == []
    assert len(differences) == 4 and all({*one} == {*agreement.LIMITS} for one in differences.values())


@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_what_differs_is_said(differences, value):
    from minmax_jax.benchmark import agreement

    (form, *_) = differences
    wrong = differences | {form: differences[form] | {"gradient": value}}
    (objection,) = agreement.objections(wrong)
    assert form in objection and f"gradient differs by {value:g}" in objection


def test_weights_in_the_wrong_order_are_noticed(monkeypatch):
    from minmax_jax.benchmark import agreement

    def flattened_as_ours(params):
        right = form(params)
        return right | {"dense1.weight": np.asarray(params["dense1"]["kernel"]).T}

    form = agreement.in_torch_form
    monkeypatch.setattr("minmax_jax.benchmark.torch_models.in_torch_form", flattened_as_ours)
    found = agreement.objections(agreement.differences())
    assert any("gradient in the images" in one for one in found) and any("losses" in one for one in found)
