"""The results that come with the project: whole, of the full plans, and told beside them as they are."""

from pathlib import Path

import pytest

from minmax_jax.study import about, read
from minmax_jax.study.analysis.finding import markdown
from minmax_jax.study.analysis.findings import BLOCKS, findings, tables_in
from minmax_jax.study.analysis.verdicts import markdown as in_short
from minmax_jax.study.analysis.verdicts import verdicts
from minmax_jax.study.design.data import study_data
from minmax_jax.study.experiments.plans import PLANS

pytestmark = pytest.mark.versions

RESULTS = Path(__file__).parents[2] / "notebooks" / "results"


# Planned, and not computed at full size yet: the list has to shrink when a result is added.
PENDING = {
    "crisp_by_hand",
    "crisp_by_hand_fashion_mnist",
    "crisp_by_loss_fashion_mnist",
    "dose_fashion_mnist",
    "fidelity",
    "transplants_fashion_mnist",
}


def test_what_is_pending_is_not_there():
    assert {file.stem for file in RESULTS.glob("*.nc")} == set(PLANS) - PENDING


@pytest.mark.parametrize("name", sorted(set(PLANS) - PENDING))
def test_a_result_is_whole_small_and_of_the_full_plan(name):
    file, plan = RESULTS / f"{name}.nc", PLANS[name].full
    notes = about(read(file))
    assert notes["experiment"] == name
    assert notes["command"] == f"python -m minmax_jax.study --only {name}"
    assert set(notes["data"]) == set(plan.datasets)
    if "mnist" in notes["data"]:
        assert notes["data"]["mnist"] == study_data("mnist").checksum
    assert file.stat().st_size < 3_000_000
    by_others = {
        "confirmation": "arms",
        "confirmation_weak": "arms",
        "crisp_confirmed": "arms",
        "robust": "candidate",
    }  # chosen by results
    fixed = {one: value for one, value in plan.config.items() if one != by_others.get(name)}
    assert {one: notes["config"][one] for one in fixed} == fixed


@pytest.mark.slow
def test_every_finding_is_told_beside_the_results_and_shown_in_a_notebook():
    tables = tables_in(RESULTS)
    found, short = findings(tables), verdicts(tables)
    readme = (RESULTS / "README.md").read_text("utf-8")
    for name, expected in (("verdicts", in_short(short)), ("table", markdown(found))):
        begin, end = BLOCKS[name]
        assert readme.partition(begin)[2].partition(end)[0].strip() == expected
    assert 5 <= len(short) <= 9
    assert in_short(short) in (RESULTS.parents[1] / "README.md").read_text("utf-8")
    for one in found:
        notebook, section = one.shown.split("#")
        lines = (RESULTS.parent / f"{notebook}.py").read_text("utf-8").splitlines()
        assert f"# ## {section}" in lines, one
