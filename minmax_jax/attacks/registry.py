"""The attacks by name, with their usual settings."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jaxtyping import Array, Float

from minmax_jax.attacks.apgd import apgd, apgd_targeted
from minmax_jax.attacks.autoattack import autoattack
from minmax_jax.attacks.ball import NORMS, Norm
from minmax_jax.attacks.carlini_wagner import carlini_wagner
from minmax_jax.attacks.deepfool import deepfool
from minmax_jax.attacks.fab import fab, fab_targeted
from minmax_jax.attacks.fgsm import fgsm
from minmax_jax.attacks.momentum import momentum
from minmax_jax.attacks.noise import noise
from minmax_jax.attacks.pgd import pgd
from minmax_jax.attacks.square import square
from minmax_jax.checks import as_names

Attack = Callable[..., Float[Array, "n h w c"]]
WORST = "worst"  # the name of the worst case over all attacks, so no attack's own


@dataclass(frozen=True)
class NamedAttack:
    """An attack with its settings, and what a report has to know of it."""

    function: Attack
    norms: tuple[Norm, ...] = NORMS  # that it supports
    passes: int = 100  # gradients an image, about, from which the time left is estimated
    minimal: bool = False  # whether it finds the smallest change, so that one run serves every radius

    @property
    def settings(self) -> str:
        """The function and its settings, written as a call."""
        function, options = _unbound(self.function)
        inner = ", ".join(f"{name}={value!r}" for name, value in sorted(options.items()))
        return f"{getattr(function, '__name__', type(function).__name__)}({inner})"


NAMED: Mapping[str, NamedAttack] = {
    "fgsm": NamedAttack(fgsm, passes=1),
    "pgd": NamedAttack(partial(pgd, steps=40, restarts=2), passes=80),
    "momentum": NamedAttack(momentum, ("linf", "l2"), passes=10),
    "deepfool": NamedAttack(deepfool, ("linf", "l2"), passes=50, minimal=True),
    "carlini_wagner": NamedAttack(carlini_wagner, ("l2",), passes=5000, minimal=True),
    "apgd": NamedAttack(partial(apgd, loss="ce")),
    "apgd_dlr": NamedAttack(partial(apgd, loss="dlr")),
    "apgd_targeted": NamedAttack(apgd_targeted, passes=900),
    "fab": NamedAttack(fab, passes=900, minimal=True),
    "fab_targeted": NamedAttack(fab_targeted, passes=900, minimal=True),
    "square": NamedAttack(square, passes=1700),
    "autoattack": NamedAttack(autoattack, passes=3500),
    "noise": NamedAttack(noise, passes=15),
}


def select(attacks: Sequence[str] | Mapping[str, Attack], norm: Norm) -> dict[str, NamedAttack]:
    """The attacks of these names, or the caller's own functions by name, all fit for ``norm``.

    Raises ValueError for an unknown name, the name "worst", none at all, a value that is no function, or an
    attack that does not support the norm.
    """
    if isinstance(attacks, Mapping):
        chosen = {name: _own(name, function) for name, function in attacks.items()}
    else:
        names = as_names(attacks)
        chosen = {name: NAMED[name] for name in names} if set(names) <= set(NAMED) else {}
    if not chosen or WORST in chosen:
        raise ValueError(
            f"attacks must be names out of {list(NAMED)}, or a mapping from names (other than {WORST!r}) to "
            f"functions, got {attacks!r}"
        )
    for name, attack in chosen.items():
        bound = _unbound(attack.function)[1].get("norm", norm)
        if norm not in attack.norms or bound != norm:
            has = " or ".join(map(repr, attack.norms if bound == norm else (bound,)))
            raise ValueError(f"norm must be {has} for attack {name!r}, got {norm!r}")
    return chosen


def call(attack: Attack, norm: Norm, *arguments: Any, key: Array) -> Float[Array, "n h w c"]:
    """The attack's images; ``norm`` is passed on if it takes one."""
    parameters = inspect.signature(attack).parameters.values()
    takes = any(one.name == "norm" or one.kind is one.VAR_KEYWORD for one in parameters)
    return attack(*arguments, key=key, **({"norm": norm} if takes else {}))


def _own(name: str, function: Any) -> NamedAttack:
    """A caller's function, with what is known of it if it is one of ours with other settings."""
    if not callable(function):
        raise ValueError(
            f"attack {name!r} must be a function (model, images, labels, eps, key=), got {function!r}"
        )
    root, _ = _unbound(function)
    for known in NAMED.values():
        if _unbound(known.function)[0] is root:
            return replace(known, function=function)
    return NamedAttack(function)


def _unbound(function: Attack) -> tuple[Attack, dict[str, Any]]:
    """A function and the settings that ``partial`` bound to it."""
    if isinstance(function, partial):
        inner, options = _unbound(function.func)
        return inner, options | function.keywords
    return function, {}
