"""The two sides take turns, each in a process of its own."""

import pytest

from minmax_jax.benchmark.alternation import alternate, ask
from minmax_jax.benchmark.rows import ROWS, Result, Size

SIZE = Size(runs=4, images=256, epochs=2, repeats=1)


class Workers:
    """Answers in place of workers, and notes what was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, side, name, size, cache=None):
        self.asked.append((side, cache))
        number = float(len(self.asked))
        return [[number, 10 * number, ""] for _ in ROWS[name].cases]


def test_turns_are_taken_and_the_cache_is_off_then_filled_then_used():
    workers = Workers()
    (measured,) = alternate("train", ROWS["train"], SIZE, True, lambda text: None, workers)
    assert [side for side, _ in workers.asked] == ["ours", "torch"] * 4
    off, *folders = [cache for side, cache in workers.asked if side == "ours"]
    assert off == "off" and len(set(folders)) == 1 and folders[0] not in (None, "off")
    assert {cache for side, cache in workers.asked if side == "torch"} == {None}
    assert [one.seconds for one in measured.ours] == [1, 3, 5, 7]
    assert [one.seconds for one in measured.theirs] == [2, 4, 6, 8]
    assert (measured.empty, measured.filled) == (10, [50, 70])


@pytest.mark.parametrize(("row", "peer"), [("train", False), ("models", True)])
def test_our_side_alone_where_there_is_no_peer(row, peer):
    workers = Workers()
    measured = alternate(row, ROWS[row], SIZE, peer, lambda text: None, workers)
    assert [one.case for one in measured] == [*ROWS[row].cases]
    assert {side for side, _ in workers.asked} == {"ours"} and all(not one.theirs for one in measured)
    assert measured[0].ours[0] == Result(1.0, 10.0, "")


def test_a_worker_that_fails_says_why():
    with pytest.raises(RuntimeError, match=r"ours nothing failed:(.|\n)*KeyError: 'nothing'"):
        ask("ours", "nothing", '{"runs": 1, "images": 1, "epochs": 2, "repeats": 1}')
