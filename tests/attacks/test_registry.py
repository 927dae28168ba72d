"""Attacks by name: what can be asked for, with which norms, and what is refused before any work."""

from functools import partial

import jax
import pytest

from helpers.linear import batch
from helpers.refusal import refuses
from minmax_jax import attacks
from minmax_jax.attacks.ball import NORMS
from minmax_jax.attacks.registry import NAMED, call, select

pytestmark = pytest.mark.versions


def own(model, images, labels, eps, key):
    return images


def test_every_attack_of_the_package_has_a_name():
    functions = {attack.settings.split("(")[0] for attack in NAMED.values()}
    public = {name for name in attacks.__all__ if callable(getattr(attacks, name))}
    assert public - {"select", "NamedAttack"} <= functions | {"noise"}


@pytest.mark.parametrize("name", NAMED)
def test_an_attack_is_selected_for_the_norms_that_it_supports(name):
    for norm in NORMS:
        if norm in NAMED[name].norms:  # those that it runs with, says test_contract
            assert select([name], norm) == {name: NAMED[name]}
        else:
            with refuses(f"for attack {name!r}, got {norm!r}", *map(repr, NAMED[name].norms)):
                select([name], norm)


def test_settings_are_written_as_in_a_program():
    assert NAMED["pgd"].settings == "pgd(restarts=2, steps=40)"
    assert NAMED["fgsm"].settings == "fgsm()"
    nested = select({"mine": partial(partial(attacks.pgd, steps=3), steps=5, loss="dlr")}, "linf")["mine"]
    assert nested.settings == "pgd(loss='dlr', steps=5)"


def test_own_settings_of_an_attack_keep_what_is_known_of_it():
    mine = select({"mine": partial(NAMED["deepfool"].function, steps=3), "other": own}, "l2")
    assert mine["mine"].minimal and mine["mine"].norms == NAMED["deepfool"].norms
    assert not mine["other"].minimal and mine["other"].norms == NORMS
    with refuses("norm must be 'linf' or 'l2' for attack 'mine', got 'l1'"):
        select({"mine": partial(NAMED["deepfool"].function, steps=3)}, "l1")
    with refuses("norm must be 'l2' for attack 'mine', got 'linf'"):
        select({"mine": partial(attacks.pgd, norm="l2")}, "linf")


def test_the_norm_is_passed_to_functions_that_take_one():
    images, labels = batch(0, 1)

    def takes(model, x, y, eps, *, norm, key):
        return x * 0 + NORMS.index(norm)

    def takes_anything(model, x, y, eps, **options):
        return x * 0 + NORMS.index(options["norm"])

    key = jax.random.key(0)
    assert (call(takes, "l2", None, images, labels, 0.1, key=key) == NORMS.index("l2")).all()
    assert (call(takes_anything, "l1", None, images, labels, 0.1, key=key) == NORMS.index("l1")).all()
    assert call(own, "l1", None, images, labels, 0.1, key=key) is images


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (["magic"], ["attacks must be names out of ['fgsm'", "got ['magic']"]),
        ([], ["attacks must be names", "got []"]),
        ("pgd", ["attacks must be names", "got 'pgd'"]),
        ({"worst": own}, ["attacks must be names", "other than 'worst'"]),
        ({"mine": 3}, ["attack 'mine' must be a function", "got 3"]),
    ],
)
def test_what_is_no_attack_is_refused(chosen, words):
    with refuses(*words):
        select(chosen, "linf")
