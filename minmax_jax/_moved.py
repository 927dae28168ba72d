"""Modules that have moved: their old names still import, with a DeprecationWarning, for one version."""

import sys
import warnings
from contextlib import suppress
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType
from typing import Any

MOVED = {
    "answers": "robustness.predictions",
    "app": "publish.app",
    "archive": "storage.archive",
    "arguments": "training.validation",
    "cache": "storage.cache",
    "checkpoints": "training.checkpoints",
    "compilation": "storage.compilation",
    "cores": "jobs.parallel",
    "drawing": "plots.style",
    "flow": "theory",
    "grid": "sweeps.grid",
    "history": "training.history",
    "pages": "publish.pages",
    "play": "widgets.play",
    "prepare": "data.__main__",
    "projection": "training.optimisers",
    "saved": "training.saved",
    "split": "data.split",
    "steps": "train_step",
    "trainer": "training.trainer",
}


def message(name: str) -> str:
    """What to say of a module that has moved."""
    new = f"{__package__}.{MOVED[name]}".removesuffix(".__main__")
    return f"{__package__}.{name} is {new} now; the old name will go in the next version"


class Finder(MetaPathFinder):
    """Finds modules by their old names, for ``import`` and for ``python -m``."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The specification of a module that has moved; None for every other one."""
        package, _, name = fullname.rpartition(".")
        if package != __package__ or name not in MOVED:
            return None
        return ModuleSpec(fullname, Loader(name))


class Loader(InspectLoader):
    """Gives the module of the new name for the old one."""

    def __init__(self, name: str):
        self.name, self.new = name, f"{__package__}.{MOVED[name]}"

    def exec_module(self, module: ModuleType) -> None:
        """Put the module itself in the place of an empty one, so that both names hold the same objects."""
        warnings.warn(message(self.name), DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = import_module(self.new)

    def get_code(self, fullname: str) -> CodeType:
        """The code of a command that is run by ``python -m`` with its old name."""
        # Python shows this kind of warning by default only where it comes from the main program.
        with suppress(DeprecationWarning):  # under -W error the command runs all the same
            warnings.warn_explicit(message(self.name), DeprecationWarning, fullname, 1, module="__main__")
        spec = find_spec(self.new)
        assert spec is not None and isinstance(spec.loader, InspectLoader)
        code = spec.loader.get_code(self.new)
        assert code is not None
        return code

    def get_source(self, fullname: str) -> None:
        """No source: that of the new module belongs to the new name."""


sys.meta_path.append(Finder())
