"""The command ``python -m minmax_jax.study``."""

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from minmax_jax.study.analysis.finding import markdown
from minmax_jax.study.analysis.findings import findings
from minmax_jax.study.engine.experiment import Experiment
from minmax_jax.study.engine.result import about, read
from minmax_jax.study.engine.runner import run
from minmax_jax.study.experiments import confirmation, observation, regularisation, robust, search, theory

RESULTS = Path("notebooks/results")


def _part(part: str, _: Path, quick: bool) -> Experiment:
    return regularisation.plan(part, quick)


PLANS: Mapping[str, Callable[[Path, bool], Experiment]] = {
    observation.NAME: lambda _, quick: observation.plan(observation.NAME, quick),
    observation.ATTACKED: lambda _, quick: observation.plan(observation.ATTACKED, quick),
    theory.NAME: lambda _, quick: theory.plan(quick),
    **{name: partial(_part, part) for part, name in regularisation.NAMES.items()},
    **{name: partial(confirmation.plan, name) for name in confirmation.CHOSEN_FROM},
    search.NAME: lambda _, quick: search.plan(quick),
    robust.NAME: robust.plan,
}
STOPPED = 130  # what a shell gives for a command that Ctrl-C ended


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m minmax_jax.study",
        description="Runs the experiments of the study, and goes on where it was stopped.",
    )
    parser.add_argument("--only", metavar="NAMES", help=f"some of {','.join(PLANS)}, by commas")
    parser.add_argument("--quick", action="store_true", help="minutes: few seeds, few images, short runs")
    parser.add_argument(
        "--folder",
        type=Path,
        help=f"for the results: {RESULTS} by default, with --quick {RESULTS / 'quick'}",
    )
    parser.add_argument(
        "--findings", action="store_true", help="run nothing; print what the results in the folder say"
    )
    options = parser.parse_args(arguments)
    chosen = list(PLANS) if options.only is None else options.only.split(",")
    if unknown := [name for name in chosen if name not in PLANS]:
        parser.error(f"unknown experiment {', '.join(unknown)!r}; --only takes some of {', '.join(PLANS)}")
    options.names = list(dict.fromkeys(chosen))
    options.folder = options.folder or (RESULTS / "quick" if options.quick else RESULTS)
    if options.folder.exists() and not options.folder.is_dir():
        parser.error(f"--folder is {options.folder}, a file; it takes a folder")
    return options


def command(options: argparse.Namespace, name: str) -> str:
    """The command that makes one result, in the default folder, which has to hold those it builds on."""
    return " ".join(
        ["python -m minmax_jax.study", "--only", shlex.quote(name), *(["--quick"] if options.quick else [])]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; the exit status. An experiment that cannot be run does not stop the others."""
    options, status = parse(arguments), 0
    if options.findings:
        print(markdown(findings(options.folder)))
        return status
    for name in options.names:
        try:
            planned = PLANS[name](options.folder, options.quick)
            file, made = run(planned, options.folder, command(options, name))
            minutes = about(read(file))["seconds"] / 60
            print(
                f"{file}: {'made' if made else 'was there'}, {minutes:.1f} minutes of computing", flush=True
            )
        except KeyboardInterrupt:
            print("stopped; what is finished is kept, and the same command goes on", file=sys.stderr)
            return STOPPED
        except (ValueError, OSError, ModuleNotFoundError, RuntimeError) as error:
            print(f"error in {name}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
