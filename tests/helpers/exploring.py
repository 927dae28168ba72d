"""What a person sees of an explorer without a browser."""


def expect_change(explorer, control, value, words):
    """A control's new value changes the picture, the words agree, and nothing went wrong."""
    before = bytes(explorer.figure.image.value)
    getattr(explorer, control).value = value
    explorer.wait()
    assert bytes(explorer.figure.image.value) != before
    assert words in explorer.figure.caption.value
    assert explorer.status.value == ""
