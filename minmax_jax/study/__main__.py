"""The command ``python -m minmax_jax.study``."""

import argparse
import shlex
import sys
from pathlib import Path

from minmax_jax.storage.names import path_option
from minmax_jax.study.analysis.findings import tables_in, text, write_readme
from minmax_jax.study.engine.result import about, read
from minmax_jax.study.engine.runner import run
from minmax_jax.study.experiments.plans import PLANS

RESULTS = Path("notebooks/results")
STOPPED = 130  # what a shell gives for a command that Ctrl-C ended


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m minmax_jax.study",
        description="Runs the experiments of the study, and resumes where it stopped.",
    )
    parser.add_argument(
        "--only", metavar="NAMES", help=f"some of {','.join(PLANS)}, separated by commas; by default all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few seeds, few images and short runs, which take minutes"
    )
    parser.add_argument(
        "--folder",
        type=path_option("--folder", "folder"),
        help=f"for the results: {RESULTS} by default, with --quick {RESULTS / 'quick'}",
    )
    parser.add_argument(
        "--findings",
        action="store_true",
        help="run nothing; print what the results in the folder say, as Markdown where it is redirected",
    )
    parser.add_argument(
        "--write", action="store_true", help="with --findings: write the table into the folder's README.md"
    )
    options = parser.parse_args(arguments)
    chosen = list(PLANS) if options.only is None else options.only.split(",")
    if unknown := [name for name in chosen if name not in PLANS]:
        parser.error(f"--only must name some of {', '.join(PLANS)}, got {', '.join(unknown)!r}")
    options.names = list(dict.fromkeys(chosen))
    options.folder = options.folder or (RESULTS / "quick" if options.quick else RESULTS)
    if options.folder.exists() and not options.folder.is_dir():
        parser.error(f"--folder must be a folder, got the file {options.folder}")
    if options.write and not options.findings:
        parser.error("--write must come with --findings")
    return options


def command(options: argparse.Namespace, name: str) -> str:
    """The command that makes one result in the default folder, where the results that it builds on are."""
    return " ".join(
        ["python -m minmax_jax.study", "--only", shlex.quote(name), *(["--quick"] if options.quick else [])]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; the exit status. An experiment that cannot be run does not stop the others."""
    options, status = parse(arguments), 0
    if options.findings:
        return report(options.folder, options.write)
    for name in options.names:
        try:
            planned = PLANS[name].experiment(options.folder, options.quick)
            file, made = run(planned, options.folder, command(options, name))
            seconds = about(read(file))["seconds"]
            took = f"{seconds:.0f} seconds" if seconds < 60 else f"{seconds / 60:.1f} minutes"
            print(f"{file}: {'made' if made else 'was there'}, {took} of computing", flush=True)
        except KeyboardInterrupt:
            print("stopped; finished work is kept, and the same command resumes", file=sys.stderr)
            return STOPPED
        except (ValueError, OSError, ModuleNotFoundError, RuntimeError) as error:
            print(f"error in {name}: {error}", file=sys.stderr)
            status = 1
    return status


def report(folder: Path, write: bool = False) -> int:
    """Print what the results in ``folder`` say, or write it into its README; the exit status."""
    try:
        tables = tables_in(folder)
        if not tables:
            raise ValueError(f"{folder} holds no results to report; `python -m minmax_jax.study` makes them")
        if write:
            print(f"{write_readme(folder, tables)}: written, of {len(tables)} results")
        else:
            print(text(tables, terminal=sys.stdout.isatty()))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
