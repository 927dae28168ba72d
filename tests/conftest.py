"""Set-up shared by all tests: types checked at run time, nothing written in the user's home."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# Where the tools would otherwise write in the home folder, and a folder of ours for each.
FOLDERS = {
    "MINMAX_JAX_CACHE": "cache",
    "MPLCONFIGDIR": "matplotlib",
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter/config",
    "JUPYTER_DATA_DIR": "jupyter/data",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
    "JUPYTERLAB_SETTINGS_DIR": "jupyter/settings",
    "JUPYTERLAB_WORKSPACES_DIR": "jupyter/workspaces",
}

# Where the files that take minutes are: begun last, one of them would run on while all other workers wait.
LONGEST = (
    *("browser/", "study/test_command", "study/experiments", "test_notebooks", "attacks/test_agreement"),
    *("benchmark/", "data/test_tfds", "certify/", "plots/", "robustness/"),
    *("sweeps/", "attacks/", "study/", "defences/", "training/"),
)

# For what is small and runs once, as in most tests: XLA compiles in a quarter of its usual time.
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
QUICKER = f"{QUICK} --xla_cpu_use_fusion_emitters=false"  # an option that newer versions no longer know

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.register_profile("few", settings.get_profile("ci"), max_examples=10)  # by --hypothesis-profile=few
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment up before any test module, and so the package, is imported."""
    home = tempfile.TemporaryDirectory(prefix="minmax_jax-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    set_environment(Path(home.name))
    compile_quickly()
    check_types()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background of a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)  # tests press Ctrl-C all the same


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: rank(item.path))  # stable: tests of a file stay together, in their order


LEFT_OUT = pytest.StashKey[dict[str, int]]()  # how many tests are left out, by marker


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count what ``-m`` leaves out, by the first of these markers that a test has."""
    for item in items:
        counts = item.config.stash.setdefault(LEFT_OUT, {})
        name = next((name for name in ("long", "slow") if item.get_closest_marker(name)), "")
        counts[name] = counts.get(name, 0) + 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that started this worker; all workers leave out the same."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", {})


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how many tests were left out, and how to run them."""
    for name, count in sorted(config.stash.get(LEFT_OUT, {}).items()):
        known = name in ("long", "slow")
        what, how = (
            (f"tests marked {name}", f"; python -m pytest -m {name} runs them")
            if known
            else ("other tests", "")
        )
        terminalreporter.write_line(f"{count} {what} were left out by -m{how}")


def rank(file: Path) -> int:
    """The place of a test file in ``LONGEST``; the last for those that are not in it."""
    name = file.relative_to(ROOT / "tests").as_posix()
    return next((place for place, start in enumerate(LONGEST) if name.startswith(start)), len(LONGEST))


@pytest.fixture(scope="module", autouse=True)
def programs() -> Iterator[None]:
    """Forget the compiled programs of a file: all together would be more than a process may map."""
    yield
    import jax

    jax.clear_caches()


def set_environment(home: Path) -> None:
    for name, folder in FOLDERS.items():
        path = home / folder
        path.mkdir(parents=True)
        os.environ[name] = str(path)
    os.environ["JAX_PLATFORMS"] = "cpu"
    # One for all workers and processes of a test run, which compile much the same.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(home / "compiled"))
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    # Kernels and other processes import this checkout, not an older installed copy.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *_python_path()])


def compile_quickly() -> None:
    """Choose the options of XLA; those in the environment stay, and none if ``XLA_FLAGS`` is empty."""
    if "XLA_FLAGS" in os.environ:
        return
    for flags in (QUICKER, QUICK):
        command = [sys.executable, "-c", "import jax; jax.devices()"]  # an unknown option ends the process
        if not subprocess.run(command, env=os.environ | {"XLA_FLAGS": flags}, capture_output=True).returncode:
            os.environ["XLA_FLAGS"] = flags
            return


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def check_types() -> None:
    import jax
    import jaxtyping

    import helpers.typechecker  # noqa: F401  found by its name below

    jaxtyping.install_import_hook("minmax_jax", "helpers.typechecker.check")
    # Shapes that only fit after a silent promotion are mistakes. (Optax mixes dtypes, so those pass.)
    jax.config.update("jax_numpy_rank_promotion", "raise")
