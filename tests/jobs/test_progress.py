"""The bar of long work: what it counts, what it shows, and who else may be told instead."""

import re

import pytest

from minmax_jax.jobs.interrupts import stopped_by
from minmax_jax.jobs.progress import TIME_LEFT, Shown, progress_bar, reporting

pytestmark = pytest.mark.versions


def shown(now: int) -> Shown:
    return Shown(now, f"part {now}", {"loss": f"{now / 2:.4f}"})


def test_a_function_is_handed_each_report_and_its_answer_comes_back():
    with reporting(lambda now: now == 3, shown, 10) as report:
        assert report(3) is True and report(4) is False


def test_a_bar_shows_what_is_done_of_what_and_values(capsys):
    with reporting(True, shown, 10, done=2, unit="step") as report:
        assert not report(3)
    drawn = capsys.readouterr().err
    for words in ("part 3", "3/10", "loss=1.5000", "step"):
        assert words in drawn


def test_silence(capsys):
    with reporting(False, shown, 10) as report:
        assert not report(3)
    with progress_bar(10, progress=False) as bar:
        bar.begin("x")
        bar.did(10)
    assert capsys.readouterr().err == ""


def test_work_counts_by_its_weight_and_what_is_spared_is_dropped(capsys):
    with progress_bar(100, progress=True, layout=TIME_LEFT) as bar:
        bar.begin("pgd at eps 0.1", 8)
        bar.did(5)
        assert (bar.drawn.n, bar.drawn.total) == (40, 100)
        bar.spared(5)
        assert (bar.drawn.n, bar.drawn.total) == (40, 60)
        bar.begin("fgsm", 1)
        bar.did(20)
        bar.spared(50)  # the total is never below what is done
        assert bar.drawn.n == bar.drawn.total == 60
    last = re.split(r"[\r\n]", capsys.readouterr().err.strip())[-1]
    assert "fgsm" in last and "100%" in last and re.search(r"\d\d:\d\d<\d\d:\d\d", last)


def test_in_a_job_that_was_stopped_it_ends_the_work():
    with progress_bar(10, progress=False) as bar, stopped_by(lambda: bar.drawn is None):
        bar.did()
        bar.show(Shown(1))
        bar.drawn = None
        for told in (bar.did, lambda: bar.show(Shown(2))):
            with pytest.raises(KeyboardInterrupt):
                told()
