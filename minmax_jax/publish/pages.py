"""Notebooks as web pages that need nothing else: ``python -m minmax_jax.publish.pages``.

Every notebook is run, and made into one HTML file without scripts, fonts or pictures from elsewhere. Sliders
over frames drawn ahead still work, formulas are MathML, and a note replaces each widget that needs a kernel.
"""

import argparse
import copy
import re
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minmax_jax.publish.command import status
from minmax_jax.storage.archive import write_text
from minmax_jax.storage.names import path_option

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Without the blocks that would ask other servers; pictures keep their alternative text.
TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block data_png scoped -%}
{%- set words = output | get_metadata('alt', 'image/png') -%}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
<img src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}"
{%- if words %} alt="{{ words | escape_html }}"{% endif %}>
</div>
{%- endblock data_png -%}"""
WIDGET = "application/vnd.jupyter.widget-view+json"
NOTICE = "<p><em>Here is an explorer that needs a running notebook.</em></p>"


def execute(notebook: "NotebookNode", folder: Path) -> "NotebookNode":
    """Run all cells of a notebook in ``folder``, and return it; raises where a cell does."""
    from nbclient import NotebookClient  # of the extra "notebooks", as is all that functions import here

    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=resources).execute()
    return notebook


def page(notebook: "NotebookNode", title: str) -> str:
    """An executed notebook as HTML that asks no server for anything."""
    from latex2mathml.converter import convert
    from nbconvert.exporters import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        """Formulas as MathML, which browsers draw by themselves."""

        def inline_math(self, body: str) -> str:
            return _plain(convert(body))

        def block_math(self, body: str) -> str:
            return _plain(convert(body, display="block"))

    def markdown(source: str) -> str:
        return str(MarkdownWithMath(Renderer(escape=False)).render(source))

    exporter: Any = HTMLExporter(raw_template=TEMPLATE)
    exporter.register_filter("markdown2html", markdown)
    shown = copy.deepcopy(notebook)
    shown.metadata.pop("widgets", None)  # their state is of no use without a kernel
    for output in (one for cell in shown.cells for one in cell.get("outputs", [])):
        if WIDGET in output.get("data", {}):
            output.data = {"text/html": NOTICE}
    body, _ = exporter.from_notebook_node(shown, {"metadata": {"name": title}})
    return str(body)


def linked(body: str, names: Sequence[str]) -> str:
    """HTML whose links to the notebooks of these names lead to their pages instead."""
    return re.sub(
        rf'href="({"|".join(map(re.escape, names))})\.ipynb', lambda found: f'href="{found[1]}.html', body
    )


def index(titles: dict[str, str]) -> str:
    """A page that lists the others: a title for the name of each."""
    rows = "".join(f'<li><a href="{name}.html">{escape(title)}</a></li>' for name, title in titles.items())
    return (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>minmax_jax</title>'
        '<body style="font-family: sans-serif; max-width: 45em; margin: 3em auto; line-height: 1.6">'
        f"<h1>minmax_jax: the Min-Max property of convolutional networks</h1><ol>{rows}</ol></body></html>"
    )


def title(notebook: "NotebookNode", name: str) -> str:
    """The first heading of a notebook, or its name."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = re.search(r"^# (.+)$", text, re.M)
    return found[1] if found else name


def export(sources: Sequence[Path], target: Path, run: bool = True) -> list[Path]:
    """Make a page of every notebook in ``sources``, and an index, in the folder ``target``.

    Notebooks are run first, each in its own folder; without ``run`` the outputs that they hold are shown.
    Pages are written atomically. Raises FileNotFoundError for a notebook that does not exist, ValueError for
    two of one name or one called index, and nbclient's CellExecutionError where a cell fails.
    """
    import jupytext

    names = [source.stem for source in sources]
    if missing := [source for source in sources if not source.is_file()]:
        raise FileNotFoundError(f"sources must be notebooks; {missing[0]} does not exist")
    if not names or len({*names, "index"}) < len(names) + 1:
        raise ValueError(
            f"sources must be one notebook or more, of different names and none 'index', got {names}"
        )
    target.mkdir(parents=True, exist_ok=True)
    pages, titles = [], {}
    for source, name in zip(sources, names, strict=True):
        print(f"{source.name} ...", flush=True)
        notebook = jupytext.read(source)
        titles[name] = title(notebook, name)
        body = page(execute(notebook, source.parent) if run else notebook, titles[name])
        pages.append(_write(target / f"{name}.html", linked(body, names)))
    return [*pages, _write(target / "index.html", index(titles))]


def _plain(formula: str) -> str:
    """MathML as HTML has it: with a namespace, its elements would have other names inside headings."""
    return formula.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")


def _write(file: Path, text: str) -> Path:
    write_text(file, text)
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the pages that the command line asks for; the exit status."""
    parser = argparse.ArgumentParser("python -m minmax_jax.publish.pages", description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="by default all in the folder notebooks")
    parser.add_argument(
        "--to", type=path_option("--to", "folder"), default=Path("pages"), help="folder of the pages"
    )
    parser.add_argument("--as-they-are", action="store_true", help="run nothing; show the outputs they hold")
    asked = parser.parse_args(arguments)
    sources = asked.notebooks or sorted(Path("notebooks").glob("*.ipynb"))

    def work() -> None:
        made = export(sources, asked.to, run=not asked.as_they_are)
        print(f"{len(made)} pages in {asked.to}; open {made[-1]}")

    return status(work)


if __name__ == "__main__":
    sys.exit(main())
