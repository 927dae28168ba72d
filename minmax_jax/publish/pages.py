"""Notebooks as web pages that need nothing else: ``python -m minmax_jax.publish.pages``.

Every notebook is run, and made into one HTML file without scripts, fonts or pictures from elsewhere. Sliders
over frames drawn ahead still work, formulas are MathML, and pictures replace explorers that need a kernel. A
page of the findings, where ``results/README.md`` is beside the notebooks, and one of contents join them.
"""

import argparse
import copy
import re
import sys
from collections.abc import Iterator, Sequence
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
{%- endblock data_png -%}
{%- block html_head_css -%}<style>{{ resources.style }}</style>{%- endblock -%}
{%- block body_header -%}{{ super() }}{{ resources.navigation }}{%- endblock -%}
{%- block body_footer -%}{{ resources.navigation }}{{ super() }}{%- endblock -%}"""
# Text in a column that is easy to read; figures and tables may be wider.
STYLE = """
:root { --jp-content-font-size1: 16px; --jp-code-font-size: 14px; }
body.jp-Notebook { max-width: 66rem; margin: 0 auto; padding: 1rem; overflow: visible; }
.jp-RenderedMarkdown > *, .jp-Cell-inputWrapper, .jp-OutputArea-output p, nav { max-width: 45rem; }
.jp-RenderedMarkdown > table { display: block; max-width: 100%; overflow-x: auto; }
.jp-OutputArea-output { overflow-x: auto; }
nav { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; padding: 1rem 5px; font: 15px/1.6 sans-serif; }
nav a { color: #005a9e; }
"""
WIDGET, STATE = (f"application/vnd.jupyter.widget-{what}+json" for what in ("view", "state"))
NOTICE = "<p><em>Here is an explorer that needs a running notebook.</em></p>"
STILL = "<p>{} <em>In a running notebook, this explorer answers.</em></p>"
BAR = re.compile(r"\d+%\|")  # of progress, as tqdm writes it
DRAWN = "import threading\n[one.join(60) for one in threading.enumerate() if one.name == 'latest']"
FINDINGS = "findings"


def execute(notebook: "NotebookNode", folder: Path) -> "NotebookNode":
    """Run all cells of a notebook in ``folder``, and return it; raises where a cell does.

    What its widgets hold at the end is in its metadata, when explorers have drawn their figures.
    """
    from nbclient import NotebookClient  # of the extra "notebooks", as is all that functions import here
    from nbformat.v4 import new_code_cell

    resources = {"metadata": {"path": str(folder)}}
    notebook.cells.append(new_code_cell(DRAWN))
    try:
        NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=resources).execute()
    finally:
        notebook.cells.pop()
    return notebook


def without_kernel(notebook: "NotebookNode") -> "NotebookNode":
    """A copy with pictures in place of explorers, nothing in place of bars, and no state of widgets."""
    from nbformat.v4 import new_output

    shown = copy.deepcopy(notebook)
    state = shown.metadata.pop("widgets", {}).get(STATE, {}).get("state", {})
    for cell in shown.cells:
        outputs = []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if WIDGET not in data:
                outputs.append(output)
            elif found := list(_pictures(data[WIDGET]["model_id"], state)):
                outputs += [
                    new_output("display_data", {"image/png": png}, metadata={"image/png": {"alt": words}})
                    for png, words in found
                ]
                caption = escape(" ".join(words for _, words in found))
                outputs.append(new_output("display_data", {"text/html": STILL.format(caption)}))
            elif not BAR.search(data.get("text/plain", "")):
                outputs.append(new_output("display_data", {"text/html": NOTICE}))
        if "outputs" in cell:
            cell.outputs = outputs
    return shown


def _pictures(model: str, state: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The pictures inside a widget, in base64, each with its words."""
    widget = state.get(model, {"state": {}})
    if widget.get("model_name") == "ImageModel":
        for buffer in widget.get("buffers", []):
            yield buffer["data"], widget["state"].get("tooltip") or ""
    for child in widget["state"].get("children", []):
        yield from _pictures(child.removeprefix("IPY_MODEL_"), state)


def page(notebook: "NotebookNode", title: str, navigation: str = "") -> str:
    """An executed notebook as HTML that asks no server for anything, ``navigation`` above and below."""
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

    exporter: Any = HTMLExporter(raw_template=TEMPLATE, exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.register_filter("markdown2html", markdown)
    resources = {"metadata": {"name": title}, "style": STYLE, "navigation": navigation}
    body, _ = exporter.from_notebook_node(without_kernel(notebook), resources)
    return str(body)


def linked(body: str, names: Sequence[str]) -> str:
    """HTML whose links to the notebooks of these names, and to findings, lead to their pages instead."""
    notebooks = "|".join(re.escape(name) for name in names if name != FINDINGS)
    body = re.sub(rf'href="(?:\.\./)?({notebooks})\.ipynb', lambda found: f'href="{found[1]}.html', body)
    return body.replace('href="results/README.md', f'href="{FINDINGS}.html') if FINDINGS in names else body


def navigation(name: str, titles: dict[str, str]) -> str:
    """Links from a page to the one before, the one after, the contents and the findings."""
    names = list(titles)
    at = names.index(name)
    links = [(' rel="prev"', names[at - 1], f"← {titles[names[at - 1]]}")] if at else []
    links.append(("", "index", "Contents"))
    if name != FINDINGS in titles:
        links.append(("", FINDINGS, "Findings"))
    if names[at + 1 :]:
        links.append((' rel="next"', names[at + 1], f"{titles[names[at + 1]]} →"))
    rows = "".join(f'<a href="{to}.html"{kind}>{escape(words)}</a>' for kind, to, words in links)
    return f'<nav aria-label="pages">{rows}</nav>'


def index(titles: dict[str, str]) -> str:
    """A page that lists the others: a title for the name of each."""
    rows = "".join(f'<li><a href="{name}.html">{escape(title)}</a></li>' for name, title in titles.items())
    return (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>minmax_jax</title>'
        '<body style="font: 16px/1.6 sans-serif; max-width: 45em; margin: 3em auto; padding: 0 1em">'
        f"<h1>minmax_jax: the Min-Max property of convolutional networks</h1><ul>{rows}</ul></body></html>"
    )


def title(notebook: "NotebookNode", name: str) -> str:
    """The first heading of a notebook, or its name."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = re.search(r"^# (.+)$", text, re.M)
    return found[1] if found else name


def export(sources: Sequence[Path], target: Path, run: bool = True) -> list[Path]:
    """Make a page of every notebook in ``sources``, of the findings, and an index, in the folder ``target``.

    Notebooks are run first, each in its own folder; without ``run`` the outputs that they hold are shown.
    Findings are in ``results/README.md`` beside the first notebook, if anywhere. Pages are written
    atomically. Raises FileNotFoundError for a notebook that does not exist, ValueError for two of one name or
    one called index or findings, and nbclient's CellExecutionError where a cell fails.
    """
    import jupytext
    from nbformat.v4 import new_markdown_cell, new_notebook

    names = [source.stem for source in sources]
    if missing := [source for source in sources if not source.is_file()]:
        raise FileNotFoundError(f"sources must be notebooks; {missing[0]} does not exist")
    if not names or len({*names, "index", FINDINGS}) < len(names) + 2:
        raise ValueError(
            "sources must be one notebook or more, of different names and none 'index' or "
            f"{FINDINGS!r}, got {names}"
        )
    notebooks = {name: jupytext.read(source) for name, source in zip(names, sources, strict=True)}
    if (found := sources[0].parent / "results" / "README.md").is_file():
        notebooks[FINDINGS] = new_notebook(cells=[new_markdown_cell(found.read_text("utf-8"))])
    titles = {name: title(notebook, name) for name, notebook in notebooks.items()}
    target.mkdir(parents=True, exist_ok=True)
    pages, folders = [], dict(zip(names, (source.parent for source in sources), strict=True))
    for name, notebook in notebooks.items():
        print(f"{titles[name]} ...", flush=True)
        if run and name in folders:
            execute(notebook, folders[name])
        body = linked(page(notebook, titles[name], navigation(name, titles)), list(titles))
        pages.append(_write(target / f"{name}.html", body))
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
