"""The results that come with the project: whole, of the full plans, and told in the README as they are."""

from pathlib import Path

import pytest

from minmax_jax.study.analysis.finding import markdown
from minmax_jax.study.analysis.findings import findings
from minmax_jax.study.design.images import pictures
from minmax_jax.study.engine.result import about, read
from minmax_jax.study.experiments import observation

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "notebooks" / "results"
FILES = sorted(RESULTS.glob("*.nc"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_result_is_whole_small_and_made_by_the_command(file):
    notes = about(read(file))
    assert notes["experiment"] == file.stem
    assert notes["command"] == f"python -m minmax_jax.study --only {file.stem}"
    assert notes["data"]["mnist"] == pictures("mnist").checksum
    assert file.stat().st_size < 3_000_000


def test_the_observation_is_of_the_stated_design():
    config, setting = about(read(RESULTS / "observation.nc"))["config"], observation.FULL["observation"]
    assert config["conditions"] == [one.facts for one in setting.conditions]
    assert config["seeds"] == list(range(10)) and config["epochs"] == setting.epochs == 5
    assert not config["small"]


def test_the_readme_says_what_the_results_say():
    readme = (ROOT / "README.md").read_text("utf-8")
    missing = [line for line in markdown(findings(RESULTS)).splitlines() if line not in readme]
    assert not missing


def test_every_finding_is_shown_in_a_section_of_a_notebook():
    for one in findings(RESULTS):
        notebook, section = one.shown.split("#")
        lines = (ROOT / "notebooks" / f"{notebook}.py").read_text("utf-8").splitlines()
        assert f"# ## {section}" in lines, one
