"""What penalties do, on the made-up table of ``test_cause`` with clean accuracies."""

import numpy as np
import pytest
import xarray as xr

from minmax_jax.study.analysis import penalised
from minmax_jax.study.design.arm import Arm, coordinates


@pytest.fixture
def table():
    """Fuzziness down makes networks less robust, up more so, and L1 more so too."""
    arms = [Arm(), Arm("fuzziness", 30.0), Arm("fuzziness", -30.0), Arm("fuzziness", 1.0), Arm("l1", 1e-3)]
    level = np.array([0.4, 0.1, 0.6, 0.39, 0.5])
    fuzzy = np.array([0.9, 0.5, 0.95, 0.89, 0.8])
    random = np.random.default_rng(0)
    noise, gain = random.normal(0, 1e-3, (5, 3)), 1 + random.random((5, 3, 2))
    shape = (5, 3, 2, 3, 2, 4)
    return xr.Dataset(
        {
            "accuracy": (("arm", "seed", "attack", "eps"), (level[:, None] + noise)[:, :, None, None]),
            "clean_accuracy": (("arm", "seed"), 0.98 + noise),
            "finished": (("arm", "seed"), np.ones((5, 3), bool)),
            "l1": (("arm", "seed", "layer"), 1 + random.random((5, 3, 2))),
            "near_zero": (("arm", "seed", "layer"), random.random((5, 3, 2))),
            "margin": (("arm", "seed"), level[:, None] * np.exp(noise)),
            "sensitivity": (("arm", "seed"), gain[..., 0] ** 2 * gain[..., 1]),
            "gain": (("arm", "seed", "convolution"), gain),
            "fuzziness": (
                ("arm", "seed", "convolution", "reading", "membership", "measure"),
                np.broadcast_to(fuzzy[:, None, None, None, None, None], shape),
            ),
        },
        coordinates(arms)
        | {
            "seed": range(3),
            "attack": ["worst"],
            "eps": [0.1],
            "convolution": ["conv1", "conv2"],
            "layer": ["conv1", "conv2"],
            "reading": ["layer", "filter", "fixed"],
            "membership": ["signed", "magnitude"],
            "measure": ["entropy", "quadratic", "linear", "yager"],
        },
    )


def test_of_the_regularisation_a_pair_and_the_best_are_shown_and_all_are_ranked(table):
    down, up, best, control, *ranks = penalised.regularised(table, "regularisation")
    assert (down.result, up.result) == ("less robust", "more robust")
    assert best.reading.endswith("lambda 1") and control.reading == "l1 0.001"
    assert "F signed -0.100 [-0.100, -0.100], by magnitude -0.100" in control.effect
    assert down.claim == "A term for lower fuzziness makes a network more robust"
    assert down.reading == "layer, signed, entropy, lambda 30"
    assert "accuracy under attack -30." in down.effect and "F -0.400" in down.effect
    assert [one.reading for one in ranks] == ["layer, signed", "layer, magnitude", "each by its own"]
    assert all(one.result == "not supported" and "over all 4 arms" in one.claim for one in ranks)


def test_on_top_of_adversarial_training_all_are_shown(table):
    arms = [Arm(), Arm(eps=0.1), Arm("fuzziness", -1.0, eps=0.1), Arm("l2", 3e-3, eps=0.1), Arm("l1", 0.1)]
    found = penalised.regularised(table.assign_coords(coordinates(arms)), "regularisation")
    shown = [one.reading for one in found if one.reading.endswith("adversarial training at 0.1")]
    assert shown == [
        "layer, signed, entropy, lambda -1, adversarial training at 0.1",
        "l2 0.003, adversarial training at 0.1",
    ]


def test_of_the_confirmation_all_are_shown(table):
    found = penalised.regularised(table, "confirmation")
    assert len(found) == 4 and found[3].claim == "Control: a penalty on absolute weights"


def test_sensitivity_is_explained_by_what_it_was_made_of(table):
    """Its logarithm is 2 log gain of conv1 + log gain of conv2."""
    robustness, sensitivity = penalised.explanations(table, "regularisation")
    assert sensitivity.result == "100% of variance explained"
    assert "gain of conv1" in sensitivity.effect and "(adds " in sensitivity.effect
    assert "signed fuzziness" in robustness.effect and "margin over gradient" in robustness.effect


def test_without_enough_rows_nothing_is_explained(table):
    few = table.isel(seed=[0], arm=[0, 1])
    assert penalised.explanations(few, "regularisation") == []


def test_a_margin_below_zero_is_left_out(table):
    table.margin[1, 0] = -1.0
    assert len(penalised.explanations(table, "regularisation")) == 2


def test_training_under_attack_is_told_against_plain_training(table):
    assert penalised.trained_under_attack(table, "regularisation") == []
    # The same networks again as if trained under attack, their convolutions halved.
    names = ["none eps 0.1", "l1 0.001 eps 0.1"]
    under = table.isel(arm=[0, 4]).assign_coords(arm=names, trained_eps=("arm", [0.1, 0.1]))
    under["l1"] = under.l1 / 2
    both = xr.concat([table, under], "arm", data_vars="minimal")
    (norm,) = penalised.trained_under_attack(both, "regularisation")
    assert norm.claim == "Adversarial training at eps 0.1 lowers the L1 norm of convolutions (statement 5)"
    assert norm.result == "holds"
    assert norm.effect == "conv1 -0.693 [-0.693, -0.693], conv2 -0.693 [-0.693, -0.693]"
    turned = both.assign(l1=1 / both.l1)
    assert penalised.trained_under_attack(turned, "regularisation")[0].result == "the opposite"
