"""The study in a few rows: what the paper says, what was found here, and how much."""

from collections.abc import Callable, Iterable, Mapping
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from minmax_jax.attacks.registry import WORST
from minmax_jax.study.analysis.finding import points
from minmax_jax.study.analysis.verdict import effect, learned, minmax_effects
from minmax_jax.study.analysis.why import kept, percent
from minmax_jax.study.design.condition import CONVOLUTIONS
from minmax_jax.study.design.crisp import Found
from minmax_jax.study.experiments import confirmation, crisp, observation, robust, transplants

if TYPE_CHECKING:
    import xarray as xr

Tables = Mapping[str, "xr.Dataset"]
REFERENCE = "mnist modern adam"
DONOR = "adversarial 0.3, both"


class Verdict(NamedTuple):
    """A row: a claim of the paper or of its authors, what was found here, and the numbers."""

    paper: str
    here: str
    amount: str


def verdicts(tables: Tables) -> list[Verdict]:
    """The rows whose results are among the tables, at most nine."""
    found = []
    for names, row in ROWS:
        if all(name in tables for name in names):
            found.append(row(*(tables[name] for name in names)))
    return found


def markdown(found: Iterable[Verdict]) -> str:
    """The rows as a Markdown table."""
    rows = [("The paper says", "Here", "How much"), ("---", "---", "---"), *found]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def plain(found: Iterable[Verdict], width: int) -> str:
    """The rows as text for a terminal."""
    lines: list[str] = []
    for one in found:
        lines += wrap(f"{one.paper}? {one.here}", width)
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
    return Verdict(
        "In training, weights leave the centres of their intervals",
        "Yes, in the interval in which they were drawn; in the one that a layer spans at each moment, no",
        f"{low:.0f} to {high:.0f} % of the weights move away; signed fuzziness falls clearly in {fixed} of "
        f"{count} conditions in the first interval, in {own} in the second",
    )


def _magnitude(plain_: "xr.Dataset", attacked: "xr.Dataset") -> Verdict:
    """Whether most magnitudes come near zero."""

    def share(table: "xr.Dataset", condition: str, snapshot: int = -1) -> str:
        cell = table.near_zero.sel(condition=condition, layer="conv1").isel(snapshot=snapshot)
        return percent(effect(cell.values))

    return Verdict(
        "Most magnitudes approach zero, a few become large (the follow-up)",
        "Not in plain training; in the first convolution under strong adversarial training, almost fully",
        f"of conv1's weights within a tenth of the largest: {share(plain_, REFERENCE, 0)} at the start, "
        f"{share(plain_, REFERENCE)} after plain training, {share(attacked, f'{REFERENCE} eps 0.1')} with "
        f"attacks at eps 0.1, {share(attacked, f'{REFERENCE} eps 0.3')} at 0.3",
    )


def _cause(table: "xr.Dataset") -> Verdict:
    """What of a robust network's convolutions makes another one robust."""

    def at(arm: str) -> str:
        return percent(kept(table, arm, 0.1))

    return Verdict(
        "A network with the property is more robust",
        "Its convolutions do make another network robust; by where their weights are and by their "
        "thresholds, not by how the weights are distributed",
        f"with the convolutions of a network trained at eps 0.3, frozen, and the rest trained plainly, "
        f"{at(DONOR)} of the images withstand eps 0.1, without {at('none')}; snapped to 0 and +-max "
        f"{at(f'{DONOR}, snapped')}, weights permuted {at(f'{DONOR}, permuted')}, without biases "
        f"{at(f'{DONOR}, no bias')}",
    )


def _fuzziness_term(table: "xr.Dataset") -> Verdict:
    """What the paper's term and an L2 penalty gain on test images."""
    worst = table.accuracy.sel(attack=WORST).sel(eps=0.1, method="nearest")

    def gain(penalty: str) -> str:
        arm = table.arm.values[table.trained_penalty.values == penalty][0]
        return points(effect((worst.sel(arm=arm) - worst.sel(arm="none")).values))

    return Verdict(
        "Less fuzziness of weights, as a term of the loss, makes a network more robust",
        "No; a penalty on squared weights does, and so does a weak term for more fuzziness, which is one",
        f"accuracy under attack at eps 0.1: {gain('fuzziness')}; L2 {gain('l2')}",
    )


def _group_term(table: "xr.Dataset") -> Verdict:
    """What the term of the paper's group does."""
    arm, base = (Found(term, strength, variant="modern").name for term, strength in GROUP)
    clean = effect(table.clean_accuracy.sel(arm=arm).values)
    return Verdict(
        "`L1 - L2` of the first convolution in the loss makes a network robust (the group's code)",
        "Not against strong attacks",
        f"{percent(kept(table, arm, 0.1))} withstand eps 0.1, without it {percent(kept(table, base, 0.1))}; "
        f"clean {percent(clean, 1)}",
    )


GROUP = (("l1 - l2", 1.0), ("none", 0.0))


def _units_term(table: "xr.Dataset") -> Verdict:
    """What the term on the fuzziness of units does, on test images."""
    arm, base = str(table.arm.values[-1]), str(table.arm.values[0])
    clean = effect(table.clean_accuracy.sel(arm=arm).values)
    parts = [f"{percent(kept(table, arm, eps))} withstand eps {eps:g}" for eps in (0.1, 0.2, 0.3)]
    return Verdict(
        "So the property can go into the loss",
        "As low fuzziness of the first convolution's *units*, at kept information: filters become single "
        "taps with thresholds, and the network robust, without adversarial training",
        f"{', '.join(parts)} ({percent(kept(table, base, 0.1))} at 0.1 without the term); clean "
        f"{percent(clean, 1)}",
    )


def _most_robust(table: "xr.Dataset") -> Verdict:
    """The most robust LeNet-5."""
    cell = effect(table.accuracy.sel(attack=WORST).isel(eps=-1).values)
    return Verdict(
        "(How robust can a LeNet-5 be?)",
        "By TRADES, nine images in ten withstand eps 0.3",
        f"{percent(cell, 1)}; clean {percent(effect(table.clean_accuracy.values), 1)}",
    )


ROWS: tuple[tuple[tuple[str, ...], Callable[..., Verdict]], ...] = (
    ((observation.NAME,), _moves),
    ((observation.NAME, observation.ATTACKED), _magnitude),
    ((transplants.NAME,), _cause),
    ((confirmation.NAME,), _fuzziness_term),
    ((crisp.LOSS,), _group_term),
    ((crisp.CONFIRMED,), _units_term),
    ((robust.NAME,), _most_robust),
)
