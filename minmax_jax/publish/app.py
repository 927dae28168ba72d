"""The playground as an app in the browser: ``python -m minmax_jax.publish.app``.

Voila shows it without code. Its usual template asks another server for icons, which Voila brings itself; the
one here does not.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from minmax_jax.publish.command import status

NAME = "minmax_jax"
CELLS = """# %% [markdown]
# # Playground: train it, compare it, break it
#
# Choose data, network, optimiser and what the loss asks for, press *Train*, and attack what it has learned.

# %%
import minmax_jax as mm

mm.widgets.Playground()
"""
# An empty style replaces the one from another server. Each load of the page starts a kernel of its own, so
# the browser asks before it leaves what was trained.
TEMPLATE = """{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}
{{ super() | replace('https://cdn.jsdelivr.net/', 'data:text/css,') }}
<style>
  #rendered_cells > div { max-width: 1400px; margin: 0 auto; padding: 4px 12px; }
  .jp-RenderedMarkdown h1 { font-size: 22px; margin: 4px 0; }
  .jp-RenderedMarkdown p { margin: 0; }
  .jp-Cell, .jp-OutputArea-output, .jp-RenderedMarkdown { padding-top: 0; padding-bottom: 0; }
</style>
<script>
  let asked = false, leaving = false;
  addEventListener("beforeunload", event => {
    if (leaving || !document.querySelector(".minmax-unsaved")) return;
    asked = true;
    event.preventDefault();
    event.stopImmediatePropagation(); // Voila would end the kernel before the answer is known
  });
  addEventListener("pagehide", () => {
    leaving = true;
    if (asked) dispatchEvent(new Event("beforeunload"));
  });
</script>
{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}"""


@contextlib.contextmanager
def template(folder: Path) -> Iterator[None]:
    """Write Voila's template of an app into ``folder``, which is among Jupyter's paths in the body."""
    place = folder / "voila" / "templates" / NAME
    place.mkdir(parents=True)
    (place / "index.html.j2").write_text(TEMPLATE, "utf-8")
    (place / "conf.json").write_text(json.dumps({"base_template": "lab"}), "utf-8")
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = os.pathsep.join([str(folder), *filter(None, [before])])
    try:
        yield
    finally:
        if before is None:
            del os.environ["JUPYTER_PATH"]
        else:
            os.environ["JUPYTER_PATH"] = before


def playground(folder: Path) -> Path:
    """Write a notebook of the playground alone into ``folder``, and return its path."""
    import jupytext  # of the extra "notebooks"

    file = folder / "playground.ipynb"
    jupytext.write(jupytext.reads(CELLS, "py:percent"), file)
    return file


def serve(notebook: Path | None = None, options: Sequence[str] = ()) -> None:
    """Serve a notebook, or the playground alone, until it is stopped; ``options`` are Voila's own.

    Raises FileNotFoundError for a notebook that does not exist.
    """
    from voila.app import Voila  # of the extra "notebooks"

    if notebook is not None and not notebook.exists():
        raise FileNotFoundError(f"notebook must be one, or a folder of notebooks; {notebook} does not exist")
    with tempfile.TemporaryDirectory() as folder, template(Path(folder)):
        shown = notebook or playground(Path(folder))
        Voila.launch_instance([str(shown), f"--template={NAME}", *options])


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(
        "python -m minmax_jax.publish.app",
        description=__doc__,
        epilog="Other options go to Voila, each in one word, such as --Voila.ip=0.0.0.0.",
    )
    parser.add_argument("notebook", nargs="?", type=Path, help="by default the playground alone")
    parser.add_argument("--port", type=int, default=8866, help="where the app answers on this machine")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    asked, more = parser.parse_known_args(arguments)
    options = [f"--port={asked.port}", *(["--no-browser"] if asked.no_browser else []), *more]
    return status(lambda: serve(asked.notebook, options))


if __name__ == "__main__":
    sys.exit(main())
