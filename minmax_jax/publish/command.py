"""What the commands of this folder share: an error in words where something is missing."""

import sys
from collections.abc import Callable

NEEDS = "`pip install 'minmax_jax[notebooks]'` installs what pages and apps are made with"


def status(work: Callable[[], None]) -> int:
    """Do the work of a command and return its exit status: 1, with a line of words, for bad input."""
    try:
        work()
    except ModuleNotFoundError as error:
        print(f"{error}; {NEEDS}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
