"""A factorial experiment: its units cross all levels, and its table holds what each of them gave."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optax
import pytest

from minmax_jax.study.design.arm import Arm
from minmax_jax.study.design.candidate import Candidate
from minmax_jax.study.design.condition import Condition
from minmax_jax.study.experiments.factorial import Factorial, Plan, Variable, stored
from minmax_jax.study.experiments.observation import Observation
from minmax_jax.study.experiments.regularisation import QUICK
from minmax_jax.study.experiments.search import Search


@dataclass(frozen=True, kw_only=True)
class Sums(Factorial):
    """The arm's strength plus the seed; an image for each seed; nothing from a seed of 9."""

    crossed = ("arms", "seeds")
    arms: tuple[Arm, ...] = (Arm(), Arm("l1", 0.5))
    seeds: tuple[int, ...] = (3, 4)
    times: int = stored("how often", 2)
    chosen_by: str | None = stored("chosen by", None)

    def work(self, arm, seed, folder, tell):
        if seed == 9:
            return {"known": np.array(False)}
        sums = np.full(self.times, arm.strength + seed)
        return {"sum": sums, "image": np.array(seed), "known": np.array(True)}

    def layout(self, found):
        variables = {
            "sum": Variable(("time",), "the sum"),
            "image": Variable((), "the same for all arms", ("seed",)),
            "known": Variable((), "whether there is a sum"),
        }
        return variables, {"time": list(range(self.times))}


def table(setting):
    units = setting.experiment("sums", "How much?").units
    return setting.table([unit.work(Path("unused"), print) for unit in units])


def test_units_cross_all_levels_and_the_table_labels_them():
    planned = Sums().experiment("sums", "How much?")
    assert [unit.name for unit in planned.units] == [
        *("none, seed 3", "none, seed 4", "l1 0.5, seed 3", "l1 0.5, seed 4")
    ]
    found = table(Sums())
    assert found["sum"].dims == ("arm", "seed", "time")
    assert found["sum"].isel(time=1).values.tolist() == [[3, 4], [3.5, 4.5]]
    assert found.image.dims == ("seed",) and found.image.values.tolist() == [3, 4]
    assert found.trained_penalty.values.tolist() == ["none", "l1"] and found.seed.values.tolist() == [3, 4]
    assert found["sum"].attrs == {"long_name": "the sum"} and found.time.values.tolist() == [0, 1]


def test_a_unit_without_a_value_leaves_a_hole():
    found = table(Sums(seeds=(3, 9)))
    assert np.isnan(found["sum"].sel(seed=9)).all() and np.isfinite(found["sum"].sel(seed=3)).all()
    assert found.known.values.tolist() == [[True, False]] * 2
    with pytest.raises(KeyError, match="at least one unit must have 'sum'"):
        table(Sums(seeds=(9,)))


def test_the_configuration_has_the_names_of_result_files():
    facts = [arm.facts for arm in Sums().arms]
    expected = {"arms": facts, "seeds": [3, 4], "how often": 2, "small": False}
    assert Sums().config == expected
    assert Sums(chosen_by="abc").config == expected | {"chosen by": "abc"}


def test_a_plan_is_completed_by_what_is_in_the_folder(tmp_path):
    def complete(setting, folder, quick):
        assert folder == tmp_path
        return Sums(times=setting.times + quick)

    plan = Plan("sums", "How much?", Sums(times=5), Sums(times=7), complete)
    assert plan.experiment(tmp_path).config["how often"] == 5
    assert plan.experiment(tmp_path, quick=True).config["how often"] == 8
    assert Plan("sums", "", Sums(times=5), Sums()).experiment(tmp_path).config["how often"] == 5


class Explosive:
    """Trains in steps with which every network diverges."""

    def training(self, steps=0):
        return super().training(steps) | {"optimiser": optax.sgd(1e30)}


class ExplosiveCondition(Explosive, Condition): ...


class ExplosiveArm(Explosive, Arm): ...


class ExplosiveCandidate(Explosive, Candidate): ...


CASES = {
    "observation": (Observation(conditions=(Condition(),), epochs=1, snapshots=2, small=True), Condition()),
    "regularisation": (replace(QUICK, arms=(Arm(),)), Arm()),
    "search": (Search(epochs=1, images=8, attack="pgd", small=True), Candidate("adversarial")),
}


def work(case, treatment, folder, tell=lambda share: None):
    setting = CASES[case][0]
    return setting.work(treatment, *((0,) if "seeds" in setting.crossed else ()), folder, tell)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_stopped_run_is_not_taken_for_a_finished_one(case, tmp_path):
    def press(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(case, CASES[case][1], tmp_path, press)


@pytest.mark.slow
def test_a_network_that_diverges_leaves_a_hole_or_is_measured_and_marked(tmp_path):
    assert work("observation", ExplosiveCondition(), tmp_path) == {"finished": np.array(False)}
    found = work("regularisation", ExplosiveArm(), tmp_path)
    assert not found["finished"] and np.isfinite(found["clean_accuracy"])
    found = work("search", ExplosiveCandidate("adversarial"), tmp_path)
    assert found == {"clean_accuracy": 0, "robust_accuracy": 0}
