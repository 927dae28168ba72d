"""The controls of the playground say a choice."""

from dataclasses import replace

from minmax_jax.widgets.play import Play
from minmax_jax.widgets.play_form import PlayForm


def test_it_begins_with_the_given_choice():
    start = Play("fashion_mnist", "classic", "sgd", "fixed", "magnitude", "yager", 7.0, 0.15, 30, 1000, 5)
    assert PlayForm(start).choice == start


def test_every_control_changes_its_field():
    form = PlayForm(Play())
    other = Play("fashion_mnist", "classic", "sgd", "fixed", "magnitude", "yager", 30.0, 0.1, 3, 60_000, 5)
    seen = Play()
    for field, control in form.controls.items():
        control.value = getattr(other, field)
        seen = replace(seen, **{field: getattr(other, field)})
        assert form.choice == seen
    assert seen == other
