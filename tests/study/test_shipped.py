"""The results that come with the project: whole, of the full plans, and told beside them as they are."""

from pathlib import Path

import pytest

from minmax_jax.study import about, read
from minmax_jax.study.analysis.finding import markdown
from minmax_jax.study.analysis.findings import BEGIN, END, findings
from minmax_jax.study.design.data import study_data
from minmax_jax.study.experiments.plans import PLANS

pytestmark = pytest.mark.versions

RESULTS = Path(__file__).parents[2] / "notebooks" / "results"


@pytest.mark.parametrize("name", PLANS)
def test_a_result_is_whole_small_and_of_the_full_plan(name):
    file, plan = RESULTS / f"{name}.nc", PLANS[name].full
    notes = about(read(file))
    assert notes["experiment"] == name
    assert notes["command"] == f"python -m minmax_jax.study --only {name}"
    assert notes["data"]["mnist"] == study_data("mnist").checksum
    assert file.stat().st_size < 3_000_000
    by_others = {
        "confirmation": "arms",
        "confirmation_weak": "arms",
        "robust": "candidate",
    }  # chosen by results
    fixed = {one: value for one, value in plan.config.items() if one != by_others.get(name)}
    assert {one: notes["config"][one] for one in fixed} == fixed


@pytest.mark.slow
def test_every_finding_is_told_beside_the_results_and_shown_in_a_notebook():
    found = findings(RESULTS)
    readme = (RESULTS / "README.md").read_text("utf-8")
    assert readme.partition(BEGIN)[2].partition(END)[0].strip() == markdown(found)
    for one in found:
        notebook, section = one.shown.split("#")
        lines = (RESULTS.parent / f"{notebook}.py").read_text("utf-8").splitlines()
        assert f"# ## {section}" in lines, one
