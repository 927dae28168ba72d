"""Tables are Markdown that can be pasted into the README."""

import pytest

from minmax_jax.benchmark import table
from minmax_jax.benchmark.alternation import Measured
from minmax_jax.benchmark.rows import DEVICE, ROWS, Result

OURS = [Result(0.002, 1.5), Result(0.001, 1.6), Result(0.004, 0.1)]
THEIRS = [Result(0.004, choice="eager"), Result(0.004, choice="eager"), Result(0.008, choice="fused")]
BOTH = Measured(128, OURS, THEIRS, 1.5, [0.1])
ALONE = Measured(1024, OURS[:2], [], 1.5, [])


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0123, "0.0123"),
        (1.0, "1.00"),
        (2.345, "2.35"),
        (45.67, "45.7"),
        (123.4, "123"),
        (1234567, "1234567"),
    ],
)
def test_three_digits(number, text):
    assert table.figure(number) == text


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


def test_from_ten_seconds_on_times_are_in_seconds():
    assert table.durations([Result(9.5), Result(9.9)]) == "9700 ms (9500–9900)"
    assert table.durations([Result(9.5), Result(30.5)]) == "20.0 s (9.50–30.5)"
    assert table.durations([]) == "–"


def test_growth_has_a_line_for_each_case():
    title, empty, *found = table.growth(ROWS["batch"], [BOTH, ALONE])
    assert (title, empty) == ("One training step, by batch size:", "")
    assert found[0].startswith("| batch size | minmax_jax |")
    assert [line.split(" | ")[0] for line in found[2:]] == ["| 128", "| 1,024"]


def test_rates_are_per_second():
    *_, line = table.rates(DEVICE["device"], [BOTH])
    assert line == "| 128 | 500 (250–1000) | 250 (125–250) | 2.00 (2.00–4.00) | eager |"


def test_every_line_of_a_table_has_as_many_cells():
    rows = {"train": ROWS["train"]}
    for found in (table.summary(rows, {"train": [BOTH]}), table.growth(ROWS["batch"], [BOTH, ALONE])[2:]):
        assert len({line.count("|") for line in found}) == 1


def test_rows_that_only_grow_have_no_summary():
    assert table.summary({"batch": ROWS["batch"]}, {"batch": [BOTH]}) == []


def test_machine_and_method_are_stated():
    machine = {"processor": "Abacus", "cores": 2, "memory": 7.8, "device": None, "system": "Linux"}
    machine["versions"] = {"python": "3.11", "jax": "0.8"}
    assert table.place(machine) == "Measured on Abacus, 2 cores, 8 GiB, Linux; python 3.11, jax 0.8."
    assert "GPU X, Linux" in table.place(machine | {"device": "GPU X"})
    assert "1 core, Linux" in table.place(machine | {"cores": 1, "memory": None})
    assert "the two sides in turn, 2 or 5 runs each" in table.method({"a": 5, "b": 2, "c": 5}, True)
    assert "of 5 runs" in table.method({"a": 5}, False)
