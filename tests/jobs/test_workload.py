"""The bar of attacks: it ends at 100 %, whatever work was spared."""

import re

from minmax_jax.jobs.workload import workload


def test_the_bar_counts_work_by_its_weight_and_drops_what_is_spared(capsys):
    with workload(100, progress=True) as work:
        work.begin("pgd at eps 0.1", 8)
        work.did(5)
        assert (work.bar.n, work.bar.total) == (40, 100)
        work.spared(5)
        assert (work.bar.n, work.bar.total) == (40, 60)
        work.begin("fgsm", 1)
        work.did(20)
        assert work.bar.n == work.bar.total == 60
    last = re.split(r"[\r\n]", capsys.readouterr().err.strip())[-1]
    assert "fgsm" in last and "100%" in last and re.search(r"\d\d:\d\d<\d\d:\d\d", last)


def test_the_total_is_never_below_what_is_done(capsys):
    with workload(10, progress=True) as work:
        work.begin("x", 1)
        work.did(8)
        work.spared(5)
        assert work.bar.total == work.bar.n == 8


def test_without_progress_nothing_is_written(capsys):
    with workload(10, progress=False) as work:
        work.begin("x", 1)
        work.did(10)
    assert capsys.readouterr().err == ""
