"""Who is told of a run's progress, and how."""

from minmax_jax.jobs.progress import Progress, reporting

NOW = Progress(step=3, steps=10, epoch=1, epochs=2, loss=0.5, test_accuracy=0.9)


def test_a_function_is_handed_each_report_and_its_answer_comes_back():
    with reporting(lambda now: now.step == 3, 10) as report:
        assert report(NOW) is True
        assert report(NOW._replace(step=4)) is False


def test_a_bar_shows_epoch_loss_and_accuracy(capsys):
    with reporting(True, 10) as report:
        assert not report(NOW)
    shown = capsys.readouterr().err
    for words in ("epoch 1/2", "3/10", "loss=0.5000", "test=90.00%"):
        assert words in shown


def test_silence(capsys):
    with reporting(False, 10) as report:
        assert not report(NOW)
    assert capsys.readouterr().err == ""


def test_it_says_how_far_it_is():
    assert NOW.words == "epoch 1 of 2, step 3 of 10, loss 0.500, test accuracy 90.00%"
    assert NOW._replace(test_accuracy=None).words == "epoch 1 of 2, step 3 of 10, loss 0.500"
