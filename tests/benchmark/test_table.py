"""Rows are chosen, times are compared, and tables can be pasted into a README."""

import sys
from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minmax_jax.attacks import NAMED
from minmax_jax.benchmark import jax_attacks, jax_side, machine, table, timing
from minmax_jax.benchmark.alternation import Comparison
from minmax_jax.benchmark.rows import DEVICE, PGD_STEPS, RESTARTS, ROWS, choose
from minmax_jax.benchmark.timing import Result, ratio, spread

OURS = [Result(0.002, 1.5), Result(0.001, 1.6), Result(0.004, 0.1)]
THEIRS = [Result(0.004, choice="eager"), Result(0.004, choice="eager"), Result(0.008, choice="fused")]
BOTH = Comparison(128, OURS, THEIRS, 1.5, [0.1])
ALONE = Comparison(1024, OURS[:2], [], 1.5, [])
SECONDS = st.floats(1e-6, 1e3)


# Rows


def test_by_default_all_rows_but_long_ones_and_quick_is_short():
    assert {*ROWS} - {*choose(None, quick=False, device=False)} == {"autoattack"}
    quick = {n for n, row in ROWS.items() if not row.axis and not row.needs}
    assert {*choose(None, quick=True, device=False)} == quick
    assert choose(None, quick=True, device=True) == DEVICE
    assert [*choose("pgd, batch", quick=True, device=False)] == ["pgd", "batch"]


def test_longer_work_is_measured_less_often():
    sizes = [ROWS[name].size(False, None) for name in ("train", "batch", "pgd40", "autoattack")]
    assert [size.runs for size in sizes] == [5, 2, 3, 1] and [size.repeats for size in sizes] == [5, 3, 2, 1]
    quick = [ROWS[name].size(True, 7) for name in ("train", "batch", "pgd40")]
    assert [size.images for size in quick] == [3_200] * 3 and {size.runs for size in quick} == {7}


def test_our_side_measures_every_row_with_the_steps_it_counts():
    assert {row.measure for row in (ROWS | DEVICE).values()} <= {*jax_side.MEASURES, *jax_attacks.MEASURES}
    assert NAMED["pgd"].function.keywords == {"steps": PGD_STEPS, "restarts": RESTARTS}


@pytest.mark.parametrize("models", [2**i for i in range(13)])
def test_a_sweep_has_as_many_models_as_asked_for(models):
    objectives, seeds = jax_side.grid(models)
    assert len(objectives) * len(seeds) == models and len(seeds) in (len(objectives), 2 * len(objectives))
    assert len({one.strength for one in objectives}) == len(objectives)


# Times


@pytest.fixture
def wait(monkeypatch):
    """A clock that moves only when a test calls this."""
    now = [0.0]
    monkeypatch.setattr(timing, "perf_counter", lambda: now[0])

    def pass_(seconds):
        now[0] += seconds

    return pass_


def test_a_step_is_timed_without_what_a_run_costs_once(wait):
    starts = iter([9.0, 2.0, 2.0])  # compilation, and what every run costs
    result = timing.per_step(lambda epochs: wait(next(starts) + epochs * 50 * 0.25), epochs=3, steps=50)
    assert result.seconds == pytest.approx(0.25) and result.first == pytest.approx(7)


def test_a_call_is_the_median_of_those_after_the_first(wait):
    calls = iter([5.0, 1.0, 3.0, 2.0])
    assert timing.repeated(lambda: wait(next(calls)), 3) == (2.0, 3.0, "")


def test_ratios_of_numbers_worked_out_by_hand():
    assert spread([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    assert ratio([1.0, 2.0, 4.0], [4.0, 4.0, 4.0]) == (2.0, 1.0, 4.0)
    assert timing.best([Result(2.0, choice="slow"), Result(1.0, choice="fast")]).choice == "fast"
    with pytest.raises(ValueError):
        ratio([1.0, 2.0], [1.0])


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=9), st.floats(0.1, 10))
def test_ratios_of_equal_slowed_and_exchanged_sides(pairs, factor):
    ours, theirs = zip(*pairs, strict=True)
    assert ratio(ours, ours) == (1, 1, 1)
    assert ratio(ours, [factor * one for one in ours]) == pytest.approx((factor,) * 3)
    there, back = ratio(ours, theirs), ratio(theirs, ours)
    assert (1 / there.middle, 1 / there.high, 1 / there.low) == pytest.approx(back)


# Tables

NUMBERS = {0.0123: "0.0123", 1.0: "1.00", 2.345: "2.35", 45.67: "45.7", 123.4: "123", 1234567: "1234567"}


def test_numbers_have_three_digits_and_long_times_are_in_seconds():
    assert [table.figure(number) for number in NUMBERS] == [*NUMBERS.values()]
    assert table.durations([Result(9.5), Result(9.9)]) == "9700 ms (9500–9900)"
    assert table.durations([Result(9.5), Result(30.5)]) == "20.0 s (9.50–30.5)"
    assert table.durations([]) == "–"


def test_the_summary_line_by_line():
    rows = {"train": ROWS["train"], "pgd": ROWS["pgd"], "batch": ROWS["batch"]}
    found = table.summary(rows, {"train": [BOTH], "pgd": [ALONE], "batch": [BOTH]})
    assert found == [
        "| work | minmax_jax | PyTorch | times as fast | PyTorch's best | first call: empty / filled cache |",
        "| --- | ---: | ---: | ---: | --- | ---: |",
        "| one training step, batch 128 | 2.00 ms (1.00–4.00) | 4.00 ms (4.00–8.00) "
        "| 2.00 (2.00–4.00) | eager | 1.50 s / 0.100 s |",
        "| one step of `mm.attacks.pgd`, batch 128 | 1.50 ms (1.00–2.00) | – | – | – | 1.50 s / – |",
    ]
    assert table.summary({"batch": ROWS["batch"]}, {"batch": [BOTH]}) == []


def test_growth_and_rates_have_a_line_for_each_case():
    title, empty, *found = table.growth(ROWS["batch"], [BOTH, ALONE])
    assert (title, empty) == ("One training step, by batch size:", "")
    assert found == [
        "| batch size | minmax_jax | PyTorch | times as fast | PyTorch's best |",
        "| ---: | ---: | ---: | ---: | --- |",
        "| 128 | 2.00 ms (1.00–4.00) | 4.00 ms (4.00–8.00) | 2.00 (2.00–4.00) | eager |",
        "| 1,024 | 1.50 ms (1.00–2.00) | – | – | – |",
    ]
    *_, line = table.rates(DEVICE["device"], [BOTH])
    assert line == "| 128 | 500 (250–1000) | 250 (125–250) | 2.00 (2.00–4.00) | eager |"


def test_machine_and_method_are_stated():
    about = {"processor": "Abacus", "cores": 2, "memory": 7.8, "device": None, "system": "Linux"}
    about["versions"] = {"python": "3.11", "jax": "0.8"}
    assert table.place(about) == "Measured on Abacus, 2 cores, 8 GiB, Linux; python 3.11, jax 0.8."
    assert "GPU X, Linux" in table.place(about | {"device": "GPU X"})
    assert "1 core, Linux" in table.place(about | {"cores": 1, "memory": None})
    assert "the two sides in turn, 2 or 5 runs each" in table.method({"a": 5, "b": 2, "c": 5}, True)
    assert "of 5 runs" in table.method({"a": 5}, False) and "of 1 run," in table.method({"a": 1}, False)


def test_the_machine_is_described_as_the_system_tells(tmp_path):
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nmodel name\t: Abacus 3: fast\nmodel name\t: other\n", "utf-8")
    assert machine.processor(listing) == "Abacus 3: fast"
    listing.write_text("nothing known\n", "utf-8")
    assert machine.processor(listing) == machine.processor(tmp_path / "missing")
    found = machine.describe()
    assert found["versions"]["jax"] == version("jax")
    assert found["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["cores"] >= 1 and found["backend"] == "cpu" and found["device"] is None
    assert found["memory"] is None or 0 < found["memory"] < 2**20
