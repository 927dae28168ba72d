"""What the study refuses, and what it says."""

from pathlib import Path

import numpy as np
import pytest

import minmax_jax as mm
from helpers.made_up import PLAIN, observation, penalties
from helpers.refusal import refuses
from minmax_jax.study.__main__ import parse
from minmax_jax.study.analysis.cause import robust_accuracy
from minmax_jax.study.analysis.findings import write_readme
from minmax_jax.study.analysis.verdict import effect
from minmax_jax.study.design.arm import Arm
from minmax_jax.study.engine.result import write
from minmax_jax.study.experiments.plans import PLANS

BASES = penalties((Arm(), Arm(eps=0.1)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "astrology"], "--only must name some of observation, "),
        (["--only", "theory,astrology"], "got 'astrology'"),
        (["--only", ""], "got ''"),
        (["--folder", __file__], "--folder must be a folder, got the file "),
        (["--write"], "--write must come with --findings"),
    ],
)
def test_bad_options_are_named(options, words, capsys):
    with pytest.raises(SystemExit):
        parse(options)
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: effect(np.ones((3, 1))), ["values must be of at least two seeds, got 1"]),
        (
            lambda: mm.study.minmax_effects(observation(PLAIN), "linear"),
            ["measure must be one of", "got 'linear'"],
        ),
        (lambda: robust_accuracy(BASES, 0.7), ["eps must be one of [", "], got 0.7"]),
        *(
            (
                lambda one=one: mm.study.adversarial_training_effect(one, one.l1),
                [
                    "table must have the arm 'none', and one such as 'none eps 0.1', got",
                    one.arm.values.tolist(),
                ],
            )
            for one in (BASES.isel(arm=[0]), BASES.isel(arm=[1]))
        ),
        (lambda: mm.study.robust_lenet(BASES, 7), ["seed must be one of [0, 1, 2], got 7"]),
    ],
)
def test_bad_input_is_refused_with_a_reason(call, words):
    with refuses(*words):
        call()


def test_what_a_folder_lacks_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds none of regularisation_strengths"):
        mm.study.regularised(tmp_path)
    with refuses("folder must hold results, got"):
        mm.study.verdict_table(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"regularisation_strengths\.nc does not exist"):
        PLANS["confirmation"].experiment(tmp_path)
    (tmp_path / "regularisation_strengths.nc").touch()
    with refuses("regularisation_strengths.nc is no netCDF file"):
        PLANS["confirmation"].experiment(tmp_path)
    for part, images in (("strengths", 8), ("norms", 9)):
        notes = {"config": {"attacked images of each seed": images}}
        write(tmp_path / f"regularisation_{part}.nc", BASES, notes)
    with refuses("must attack the same number of images a seed, got [8, 9]"):
        mm.study.regularised(tmp_path)


def test_a_result_with_another_configuration_is_named(tmp_path):
    planned = PLANS["robust_search"].experiment(tmp_path, quick=True)
    config = planned.config | {"attacked validation images": 9}
    notes = {"experiment": planned.name, "config": config, "data": planned.data}
    write(tmp_path / "robust_search.nc", BASES, notes)
    with refuses("robust_search.nc", "attacked validation images: 9", "it is 8"):
        PLANS["robust"].experiment(tmp_path, quick=True)


def test_a_readme_without_a_place_for_the_table_is_left_as_it_is(tmp_path):
    readme: Path = tmp_path / "README.md"
    readme.write_text("Mine.")
    with refuses("README.md must hold the lines"):
        write_readme(tmp_path, {})
    assert readme.read_text() == "Mine."


@pytest.mark.parametrize(("old", "new"), [("hardening", "adversarial_training_effect")])
def test_a_renamed_function_is_found_by_its_old_name_with_a_warning(old, new):
    with pytest.warns(DeprecationWarning, match=f"mm.study.{old} is now mm.study.{new}"):
        assert getattr(mm.study, old) is getattr(mm.study, new)
    with pytest.raises(AttributeError, match="has no attribute 'astrology'"):
        mm.study.astrology  # noqa: B018
