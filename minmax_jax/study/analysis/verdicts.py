"""The study in a few rows: what the paper says, what was found here, and how much."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from minmax_jax.attacks.registry import WORST
from minmax_jax.study.analysis.finding import TOY, WIDTH, is_toy, points
from minmax_jax.study.analysis.verdict import Effect, effect, learned, minmax_effects
from minmax_jax.study.analysis.why import kept, percent
from minmax_jax.study.design.condition import CONVOLUTIONS
from minmax_jax.study.design.crisp import Found
from minmax_jax.study.experiments import confirmation, crisp, dose, observation, robust

if TYPE_CHECKING:
    import xarray as xr

Tables = Mapping[str, "xr.Dataset"]
REFERENCE = "mnist modern adam"
DONOR = "adversarial 0.3, both"
MIXED = "Mixed, see the numbers"  # where they do not bear out what is written here of the shipped results


class Verdict(NamedTuple):
    """A row: a claim of the paper or of its authors, what was found here, and the numbers."""

    paper: str
    here: str
    amount: str


@dataclass(frozen=True, repr=False)
class VerdictTable:
    """Verdicts that a notebook shows as a table, and ``print`` as text."""

    rows: Sequence[Verdict]

    def __repr__(self) -> str:
        return plain(self.rows, WIDTH)

    def _repr_markdown_(self) -> str:
        return markdown(self.rows)


def verdicts(tables: Tables) -> list[Verdict]:
    """The rows whose results are among the tables, at most nine; of quick runs marked as a toy's."""
    found = []
    for names, row in ROWS:
        if not all(name in tables for name in names):
            continue
        with suppress(KeyError):  # a quick run has few arms, and not those that a row is about
            one = row(*(tables[name] for name in names))
            toy = any(is_toy(tables[name]) for name in names)
            found.append(one._replace(amount=f"{one.amount} {TOY}") if toy else one)
    return found


def markdown(found: Iterable[Verdict]) -> str:
    """The rows as a Markdown table."""
    rows = [("The paper says", "Here", "How much"), ("---", "---", "---"), *found]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def plain(found: Iterable[Verdict], width: int) -> str:
    """The rows as text for a terminal."""
    lines: list[str] = []
    for one in found:
        question = one.paper if one.paper.endswith("?)") else f"{one.paper}?"
        lines += wrap(f"{question} {one.here}", width)
        lines += wrap(one.amount, width, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines)


def _moves(table: "xr.Dataset") -> Verdict:
    """Whether weights leave the centres of their intervals."""
    effects = minmax_effects(table)
    effects = effects.sel(layer=list(CONVOLUTIONS)).isel(condition=learned(table, effects))

    def counted(reading: str, membership: str) -> tuple[int, float, float]:
        cell = effects.sel(reading=reading, membership=membership)
        moved = 100 * cell.moved_away.values
        return int(cell.holds.all("layer").sum()), float(moved.min()), float(moved.max())

    fixed, low, high = counted("fixed", "signed")
    own, *_ = counted("layer", "signed")
    count = effects.sizes["condition"]
    said = "Yes, in the interval in which they were drawn; not in the one that they span"
    return Verdict(
        "Weights leave the centres of their intervals",
        said if 2 * fixed > count and 2 * own < count else MIXED,
        f"{low:.0f} to {high:.0f} % move away; signed fuzziness falls in {fixed} of {count} conditions, "
        f"in the second interval in {own}",
    )


def _magnitude(table: "xr.Dataset") -> Verdict:
    """Whether most magnitudes of the first convolution come near zero, by the radius of training."""
    near = table.near_zero.sel(convolution="conv1")
    plain, attacked, tanh = (
        effect(near.sel(variant=variant).isel(dose=number).values)
        for variant, number in (("modern", 0), ("modern", -1), ("classic", -1))
    )
    eps = f"eps {float(table.dose[-1]):g}"
    return Verdict(
        "Most magnitudes approach zero (the follow-up)",
        "Under adversarial training, with ReLU"
        if plain.high < 0.5 < attacked.low and tanh.high < 0.5
        else MIXED,
        f"in the first convolution, within a tenth of the largest: {percent(plain)} trained plainly, "
        f"{percent(attacked)} at {eps}; with tanh {percent(tanh)}",
    )


def _cause(table: "xr.Dataset") -> Verdict:
    """What of a robust network's convolutions makes another one robust."""

    def at(arm: str) -> str:
        return percent(kept(table, arm, 0.1))

    def part(ablation: str) -> float:
        """What is left of the gain over a plain network."""
        none, whole, one = (
            float(kept(table, arm, 0.1).mean) for arm in ("none", DONOR, f"{DONOR}, {ablation}")
        )
        return (one - none) / (whole - none)

    said = (
        "Its convolutions make another one robust: by thresholds and by where weights are, not by how these "
        "are distributed"
    )
    gains = kept(table, DONOR, 0.1).low > kept(table, "none", 0.1).high
    return Verdict(
        "A network with the property is more robust",
        said if gains and part("snapped") > 0.5 > max(part("permuted"), part("no bias")) else MIXED,
        f"withstand eps 0.1: with convolutions trained at 0.3 {at(DONOR)}, without {at('none')};"
        f" snapped to 0 and +-max {at(f'{DONOR}, snapped')}, permuted "
        f"{at(f'{DONOR}, permuted')}, without biases {at(f'{DONOR}, no bias')}",
    )


def _necessity(table: "xr.Dataset") -> Verdict:
    """What adversarial training reaches without what it makes of convolutions."""
    eps = float(table.eps[-1])
    whole = kept(table, "none, eps 0.3", eps)
    without = {
        words: kept(table, arm, eps)
        for words, arm in {
            "no weight of the first convolution near zero": "none, eps 0.3, no zeros",
            "no biases": "none, eps 0.3, no biases",
            "convolutions as trained plainly": "plain, both, eps 0.3",
        }.items()
    }
    said = "Yes: without, it does far less"
    lost = all(one.high < whole.low for one in without.values())
    parts = [f"{words} {percent(one)}" for words, one in without.items()]
    return Verdict(
        "(Does adversarial training need it?)",
        said if lost else MIXED,
        f"trained at eps 0.3, withstand it: {percent(whole)}, {', '.join(parts)}",
    )


def _fuzziness_term(table: "xr.Dataset") -> Verdict:
    """What the paper's term and an L2 penalty gain on test images."""
    worst = table.accuracy.sel(attack=WORST).sel(eps=0.1, method="nearest")

    def gain(penalty: str) -> Effect:
        arm = next(iter(table.arm.values[table.trained_penalty.values == penalty]), None)
        return effect((worst.sel(arm=arm) - worst.sel(arm="none")).values)

    less, small = gain("fuzziness"), gain("l2")
    said = "No; an L2 penalty does, and a weak term for *more* fuzziness is one"
    return Verdict(
        "Less fuzziness of weights, in the loss, makes a network more robust",
        said if less.low <= 0 < small.low else MIXED,
        f"at eps 0.1 {points(less)}; L2 {points(small)}",
    )


def _group_term(table: "xr.Dataset") -> Verdict:
    """What the term of the paper's group does."""
    arm, base = Found("l1 - l2", 1.0, variant="modern").name, Found(variant="modern").name
    cost = effect((table.clean_accuracy.sel(arm=arm) - table.clean_accuracy.sel(arm=base)).values)
    near, far = (kept(table, arm, eps) for eps in (0.1, 0.2))
    gains = near.low > kept(table, base, 0.1).high
    return Verdict(
        "`L1 - L2` of the first convolution does (their code)",
        "At small radii only" if gains and far.high < 0.1 else MIXED,
        f"withstand eps 0.1: {percent(near)}, without it {percent(kept(table, base, 0.1))}; 0.2: "
        f"{percent(far)}; clean {points(cost)}",
    )


def _units_term(table: "xr.Dataset") -> Verdict:
    """What the term on the fuzziness of units does, on test images."""
    arm, base = str(table.arm.values[-1]), str(table.arm.values[0])
    clean = effect(table.clean_accuracy.sel(arm=arm).values)
    parts = [f"eps {eps:g} {percent(kept(table, arm, eps))}" for eps in (0.1, 0.2, 0.3)]
    said = (
        "As low fuzziness of the first convolution's *units*, with tanh: without attacks, random weights "
        "become single taps with thresholds"
    )
    return Verdict(
        "So the property can go into the loss",
        said if kept(table, arm, 0.1).low > kept(table, base, 0.1).high else MIXED,
        f"withstand {', '.join(parts)} (without the term {percent(kept(table, base, 0.1))} at 0.1); clean "
        f"{percent(clean, 1)}",
    )


def _most_robust(table: "xr.Dataset") -> Verdict:
    """The most robust LeNet-5."""
    cell = effect(table.accuracy.sel(attack=WORST).isel(eps=-1).values)
    return Verdict(
        "(How robust can a LeNet-5 be?)",
        "This much, by TRADES",
        f"withstand eps 0.3 {percent(cell, 1)}; clean {percent(effect(table.clean_accuracy.values), 1)}",
    )


ROWS: tuple[tuple[tuple[str, ...], Callable[..., Verdict]], ...] = (
    ((observation.NAME,), _moves),
    ((dose.NAMES["mnist"],), _magnitude),
    (("transplants_ablations",), _cause),
    (("transplants_necessity",), _necessity),
    ((confirmation.NAME,), _fuzziness_term),
    ((crisp.LOSS,), _group_term),
    ((crisp.CONFIRMED,), _units_term),
    ((robust.NAME,), _most_robust),
)
