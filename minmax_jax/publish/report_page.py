"""The page of a ``Report``: its figures and tables in a template, whose values are all escaped."""

import base64
import io
from functools import cache
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

from minmax_jax.attacks.registry import WORST

if TYPE_CHECKING:
    from jinja2 import Environment

    from minmax_jax.plots.style import Figure

DPI = 100  # of a screen; pictures have twice as many dots
BY = {"reading": "layer", "measure": "entropy"}  # of the fuzziness in the page's table


def page(report: Any) -> str:
    """A report as one HTML file."""
    return _templates().get_template("report.html.j2").render(_content(report), level=1)


def body(report: Any) -> str:
    """The same without head and style, for a notebook."""
    return _templates().get_template("report_body.html.j2").render(_content(report), level=3)


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("minmax_jax.publish", "templates")
    found = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters["unbroken"] = lambda words: words.replace(" %", "\N{NO-BREAK SPACE}%")
    return found


def _content(report: Any) -> dict[str, Any]:
    """What the template shows."""
    found = report.findings
    pictures = {name: _picture(figure) for name, figure in report.figures.items()}
    return {
        "report": report,
        "found": found,
        "pictures": pictures,
        "accuracy": _accuracy(report),
        "kernels": _kernels(report),
        "checks": report.masking.checks if report.masking else (),
        "version": installed("minmax_jax"),
    }


def _picture(figure: "Figure") -> dict[str, Any]:
    """A figure as data with its size on a screen, in pixels."""
    texts: Any = figure.findobj(lambda one: hasattr(one, "set_parse_math"))
    for text in texts:
        text.set_parse_math(False)  # a name with dollar signs is no formula
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=2 * DPI)
    width, height = (round(inches * DPI) for inches in figure.get_size_inches())
    return {"data": base64.b64encode(drawn.getvalue()).decode(), "width": width, "height": height}


def _accuracy(report: Any) -> dict[str, Any]:
    """Accuracy by eps, one column for each attack and one for the worst case with its interval."""
    table = report.robustness
    alone = [str(name) for name in table.attack.values if name != WORST]
    rows = []
    for eps in table.eps.values:
        at = table.sel(eps=eps)
        low, high = (f"{100 * float(end):.1f}" for end in at.interval.sel(attack=WORST))
        shares = [f"{100 * float(at.accuracy.sel(attack=name)):.1f}" for name in [*alone, WORST]]
        rows.append({"eps": f"{eps:g}", "shares": shares, "interval": f"[{low}, {high}]"})
    return {"attacks": alone, "rows": rows}


def _kernels(report: Any) -> list[dict[str, str]]:
    """Of each convolution its shape, fuzziness by both memberships, and what else is said of its weights."""
    if (table := report.fuzziness) is None:
        return []
    return [
        {
            "layer": str(one.layer.values),
            "shape": str(one["shape"].values),
            "signed": f"{float(one.fuzziness.sel(membership='signed', **BY)):.3f}",
            "magnitude": f"{float(one.fuzziness.sel(membership='magnitude', **BY)):.3f}",
            "near_zero": f"{100 * float(one.near_zero):.1f}",
            "taps": f"{float(one.effective_taps):.1f}",
        }
        for one in (table.isel(layer=number) for number in range(table.sizes["layer"]))
    ]
