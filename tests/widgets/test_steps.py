"""A slider over some numbers."""

from minmax_jax.widgets.steps import steps


def test_numbers_are_in_order_and_the_value_is_among_them():
    slider = steps("eps", (0.3, 0.0), 0.15, continuous_update=False)
    assert slider.options == (("0", 0.0), ("0.15", 0.15), ("0.3", 0.3))
    assert (slider.value, slider.description, slider.continuous_update) == (0.15, "eps", False)
