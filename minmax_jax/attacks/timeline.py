"""When Auto-PGD begins, moves and checks its step size: known before it runs, from the number of steps."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from minmax_jax.attacks.ball import Norm


class Timeline(NamedTuple):
    """An entry for each evaluation of the gradient: a phase's first begins it, the others follow a step."""

    begins: Bool[np.ndarray, " evaluations"]
    checks: Bool[np.ndarray, " evaluations"]  # whether the step size is looked at afterwards
    scales: Float[np.ndarray, " evaluations"]  # radius of the ball, as a multiple of the attack's


def timeline(steps: int, norm: Norm) -> Timeline:
    """Timeline of a run of ``steps`` steps: one phase by "linf" and "l2", three of falling radius by "l1".

    By "l1" the first 30 % of the steps search in the ball of three times the radius, as many in that of twice
    the radius, and the rest in the attack's own. Source: Croce and Hein 2021 ("Mind the box"), section 3.3.
    Identity: the steps of all phases together are ``steps``; the last scale is 1.
    """
    wide = min(-(-3 * steps // 10), steps // 3) if norm == "l1" else 0
    phases = [(n, scale) for n, scale in ((wide, 3.0), (wide, 2.0), (steps - 2 * wide, 1.0)) if n]
    find = sparse_checks if norm == "l1" else dense_checks
    parts = [
        (np.arange(n + 1) == 0, np.isin(np.arange(n + 1), find(n)), np.full(n + 1, s)) for n, s in phases
    ]
    begins, checks, scales = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Timeline(begins, checks, scales.astype(np.float32))


def dense_checks(steps: int) -> list[int]:
    """Steps after which the step size may be halved: 22 % of all, then 3 % fewer each time, down to 6 %.

    Source: Croce and Hein 2020, section 4.1: ``p_1 = 0.22, p_(j+1) = p_j + max(p_j - p_(j-1) - 0.03, 0.06)``.
    """
    wait = max(22 * steps // 100, 1)
    shorter, shortest = max(3 * steps // 100, 1), max(6 * steps // 100, 1)
    checks = []
    at = wait
    while at <= steps:
        checks.append(at)
        wait = max(wait - shorter, shortest)
        at += wait
    return checks


def sparse_checks(steps: int) -> list[int]:
    """Steps after which sparsity and step size of the l1 form are set anew: every 4 % of all."""
    wait = max(4 * steps // 100, 1)
    return list(range(wait, steps + 1, wait))
