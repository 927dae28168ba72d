"""What ``fit`` tells of a run, in words and on a bar."""

from minmax_jax.jobs.progress import reporting
from minmax_jax.training.progress import Progress, shown

NOW = Progress(step=3, steps=10, epoch=1, epochs=2, loss=0.5, test_accuracy=0.9)


def test_it_says_how_far_it_is():
    assert NOW.words == "epoch 1 of 2, step 3 of 10, loss 0.500, test accuracy 90.00%"
    assert NOW._replace(test_accuracy=None).words == "epoch 1 of 2, step 3 of 10, loss 0.500"


def test_a_bar_shows_epoch_loss_and_accuracy(capsys):
    with reporting(True, shown, 10, unit="step") as report:
        report(NOW)
    drawn = capsys.readouterr().err
    for words in ("epoch 1/2", "3/10", "loss=0.5000", "test=90.00%"):
        assert words in drawn
    assert "test" not in shown(NOW._replace(test_accuracy=None)).values
