"""Messages and errors, in words."""

from minmax_jax.widgets import Status


def test_a_message_is_spoken_and_escaped():
    status = Status()
    status.info("loss < 1")
    assert status.value == '<span role="status">loss &lt; 1</span>'


def test_an_error_in_a_callback_is_shown_and_not_raised():
    status = Status()

    def callback(change):
        raise ValueError(f"{change} is <too> large")

    status.guard(callback)("λ")
    assert 'role="alert"' in status.value
    assert "ValueError: λ is &lt;too&gt; large" in status.value
    assert "<details><summary>traceback</summary>" in status.value


def test_a_callback_that_works_says_nothing():
    status = Status()
    seen = []
    status.guard(seen.append)(1)
    assert seen == [1] and status.value == ""
