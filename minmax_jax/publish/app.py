"""The playground as an app in the browser: ``python -m minmax_jax.publish.app``.

Voila shows it without code. Its template here asks no other server for icons, which Voila brings itself.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

NAME = "minmax_jax"
NEEDS = "`pip install 'minmax_jax[notebooks]'` installs what apps are served with"
CELLS = """# %% [markdown]
# # Playground: train it, compare it, break it
#
# Choose data, network, optimiser and what the loss asks for, press *Train*, and attack what it has learned.

# %%
import minmax_jax as mm

mm.widgets.Playground()
"""
# A style from nowhere in place of one from another server.
TEMPLATE = """{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}
{{ super() | replace('https://cdn.jsdelivr.net/', 'data:text/css,') }}
{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}"""


def template(folder: Path) -> None:
    """Write Voila's template of an app where it looks for it, if ``folder`` is among Jupyter's paths."""
    place = folder / "voila" / "templates" / NAME
    place.mkdir(parents=True)
    (place / "index.html.j2").write_text(TEMPLATE, "utf-8")
    (place / "conf.json").write_text(json.dumps({"base_template": "lab"}), "utf-8")


def playground(folder: Path) -> Path:
    """Write a notebook of the playground alone into ``folder``, and say where."""
    import jupytext  # of the extra "notebooks"

    file = folder / "playground.ipynb"
    jupytext.write(jupytext.reads(CELLS, "py:percent"), file)
    return file


def serve(notebook: Path | None = None, options: Sequence[str] = ()) -> None:
    """Serve a notebook, or the playground alone, until it is stopped; ``options`` are Voila's own.

    Raises FileNotFoundError for a notebook that is not there.
    """
    from voila.app import Voila  # of the extra "notebooks"

    if notebook is not None and not notebook.exists():
        raise FileNotFoundError(f"{notebook} is not there; notebook takes one, or a folder of notebooks")
    with tempfile.TemporaryDirectory() as folder:
        template(Path(folder))
        paths = [folder, *filter(None, [os.environ.get("JUPYTER_PATH")])]
        os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)
        shown = notebook or playground(Path(folder))
        Voila.launch_instance([str(shown), f"--template={NAME}", *options])


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(
        "python -m minmax_jax.publish.app",
        description=__doc__,
        epilog="Other options go to Voila, each in one word as --Voila.ip=0.0.0.0 is.",
    )
    parser.add_argument("notebook", nargs="?", type=Path, help="by default the playground alone")
    parser.add_argument("--port", type=int, default=8866, help="where the app answers on this machine")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    asked, more = parser.parse_known_args(arguments)
    options = [f"--port={asked.port}", *(["--no-browser"] if asked.no_browser else []), *more]
    try:
        serve(asked.notebook, options)
    except ModuleNotFoundError as error:
        print(f"{error}; {NEEDS}", file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
