"""What is measured of a network and of its kernels, compared with other ways to the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import minmax_jax as mm
from helpers.small import digits, lenet, run
from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS, READINGS, initial_bound
from minmax_jax.robustness import masking
from minmax_jax.robustness.masking import CHECKS
from minmax_jax.study.experiments import example, measurements
from minmax_jax.study.experiments.statistics import course, ends, spread

pytestmark = pytest.mark.slow

RADII = (0.05, 0.3)
# Four weights of a filter at three times: two leave the centre, the third nears it, the last rests.
FIRST, MIDDLE, LAST = [-0.5, 0.25, 1.0, -1.0], [-0.75, 0.5, 0.5, -1.0], [-1.0, 0.75, 0.25, -1.0]
C = initial_bound((2, 2, 1, 1))
ROWS = np.array([FIRST, MIDDLE, LAST], np.float32).reshape(3, 2, 2, 1, 1)


@pytest.fixture(scope="module")
def found():
    test = digits().test
    return measurements.measure(run().model, test, test[:6], 0, attacks=("fgsm",), rival=lenet())


def test_measurements_are_those_of_the_package(found):
    test, model = digits().test, run().model
    assert float(found["clean_accuracy"]) == pytest.approx(mm.accuracy(model, test))
    report = mm.robustness(model, test[:6], measurements.RADII, attacks=["fgsm"], progress=False)
    np.testing.assert_allclose(found["accuracy"], report.accuracy)
    certified = mm.certify.verified(model, test[:6], [0.01], progress=False).accuracy
    assert found["verified"][1] == pytest.approx(float(certified.sel(bound="combined").squeeze()))
    checks = masking(model, test[:6], 0.1, others=[lenet()], seed=0, batch_size=64, progress=False)
    np.testing.assert_allclose(found["masking"], [checks[name].number for name in CHECKS])


def test_attacks_in_turn_leave_what_withstands_all_of_them():
    """Each on fewer images than ``robustness`` gives it, to nearly the same answers."""
    model, some, radii = run().model, digits().test[:40], (0.02, 0.05, 0.1)
    found = measurements.in_turn(model, some, radii, ["fgsm", "apgd"], seed=0)
    report = mm.robustness(model, some, radii, attacks=["fgsm", "apgd"], progress=False)
    assert found.shape == (3, 3) and (np.diff(found, axis=0) <= 0).all() and (np.diff(found) <= 0).all()
    np.testing.assert_allclose(found[0], report.accuracy.sel(attack="fgsm"), atol=1.5 / 40)
    np.testing.assert_allclose(found[-1], report.accuracy.sel(attack="worst"), atol=1.5 / 40)
    assert 0 < found[-1, -1] < found[0, 0] < 1


def test_masking_is_unknown_without_a_rival_or_an_image_that_is_right():
    data, model = digits().test, run().model
    wrong = mm.Split(data.images[:6], np.asarray(model(data.images[:6]).argmax(-1) + 1) % 10)
    for attacked, rival in ((data[:6], None), (wrong, lenet())):
        one = measurements.measure(model, wrong, attacked, 0, ("fgsm",), rival)
        assert np.isnan(one["masking"]).all()


def test_margin_and_sensitivity_by_hand():
    """The gradient by jax's own reverse mode through the logits, one image at a time."""
    model, test = run().model, digits().test[:30]

    @jax.jit
    def margin(image, label):
        logits = model(image[None])[0]
        return logits[label] - jnp.max(jnp.where(jnp.arange(10) == label, -jnp.inf, logits))

    both = jax.jit(jax.value_and_grad(margin))
    pairs = [both(x, y) for x, y in zip(test.images, test.labels, strict=True)]
    first, second = measurements.slopes(model, test)
    assert first == pytest.approx(float(np.mean([value for value, _ in pairs])), rel=1e-4)
    assert second == pytest.approx(float(np.mean([np.abs(slope).sum() for _, slope in pairs])), rel=1e-4)


def test_weights_by_hand():
    found = measurements.weights(run().model)
    kernel = np.asarray(run().model.conv2.kernel[...], np.float64)
    dense = np.asarray(run().model.dense3.kernel[...], np.float64)
    assert found["gain"][1] == pytest.approx(np.abs(kernel).sum((0, 1, 2)).max(), rel=1e-5)
    assert found["l1"][[1, 4]] == pytest.approx([np.abs(kernel).sum(), np.abs(dense).sum()], rel=1e-5)
    assert found["l2"][4] == pytest.approx((dense**2).sum(), rel=1e-5)
    assert found["largest"][1] == pytest.approx(np.abs(kernel).max())
    assert found["near_zero"][1] == pytest.approx((np.abs(kernel) <= np.abs(kernel).max() / 10).mean())
    fuzzy = mm.fuzziness(kernel, membership="magnitude", measure="quadratic")
    assert found["fuzziness"][1, 0, 1, 1] == pytest.approx(float(fuzzy), rel=1e-5)


def test_what_is_kept_to_look_at_is_pgd_on_the_first_image():
    test, model = digits().test, run().model
    first = int(np.asarray(model(test.images).argmax(1) == test.labels).argmax())  # one that can be attacked
    one, kept = test[first : first + 1], example.example(model, test[first:], RADII, seed=4)
    for i, eps in enumerate(RADII):
        moved = mm.attacks.pgd(model, one.images, one.labels, eps, key=jax.random.key(4))
        seen = kept["image"].astype(float) + kept["perturbation"][i]
        np.testing.assert_allclose(seen / example.LEVELS, moved[0, ..., 0], atol=1 / example.LEVELS)
        assert 0 < np.abs(kept["perturbation"][i]).max() <= eps * example.LEVELS + 1
        assert kept["answer"][i] == model(moved).argmax()
    assert kept["label"] == one.labels[0]
    np.testing.assert_array_equal(kept["filters"], model.conv1.kernel[:, :, 0])


def at(reading: str, membership: str) -> tuple[int, int]:
    return READINGS.index(reading), MEMBERSHIPS.index(membership)


def test_a_course_is_by_reading_membership_and_measure_at_some_of_the_times():
    found = course(ROWS, every=2)
    kinds = len(READINGS), len(MEMBERSHIPS)
    assert found["fuzziness"].shape == (2, *kinds, len(MEASURES))
    assert found["moved_away"].shape == (2, *kinds)
    # In the fixed interval [-c, c] linear f is 1 - |w| / c.
    place = (*at("fixed", "signed"), list(MEASURES).index("linear"))
    fuzziness = [found["fuzziness"][time][place] for time in (0, 1)]
    np.testing.assert_allclose(fuzziness, [1 - np.abs(row).mean() / C for row in (FIRST, LAST)], atol=1e-6)
    moved = [found["moved_away"][time][at("fixed", "signed")] for time in (0, 1)]
    assert moved == [0.5, 0.625]  # those that rest count half


def test_weights_that_ended_farther_and_nearer_are_counted():
    found = ends(ROWS)
    assert found["away"][at("fixed", "signed")] == 2 and found["towards"][at("fixed", "signed")] == 1
    # By magnitude the centre is c / 2 = 0.57: from 0.5 to 1 is away, 0.25 to 0.75 and 1 to 0.25 towards it.
    assert found["away"][at("fixed", "magnitude")] == 1 and found["towards"][at("fixed", "magnitude")] == 2


def test_spread_needs_no_interval():
    found = spread(ROWS)
    assert found["near_zero"].shape == found["kurtosis"].shape == (3,)
    expected = [scipy.stats.kurtosis(row) for row in (FIRST, MIDDLE, LAST)]
    np.testing.assert_allclose(found["kurtosis"], expected, rtol=1e-4)
    small = np.array([[0.05, -0.05, 1.0, 0.5]]).reshape(1, 2, 2, 1, 1)
    assert spread(small)["near_zero"][0] == pytest.approx(0.5)
