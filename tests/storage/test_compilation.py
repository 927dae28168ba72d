"""What jax compiles is kept for the next process, where the user says."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import jax
import pytest

from minmax_jax.storage.cache import VARIABLE
from minmax_jax.storage.compilation import keep_compilations, remove_damaged

SCRIPT = """
import jax
import minmax_jax as mm

hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
jax.jit(lambda x: x * 2 + 1)(jax.numpy.arange(7.0)).block_until_ready()
print(sum(name == "/jax/compilation_cache/cache_hits" for name in hits))
"""
FOLDER = "jax_compilation_cache_dir"
SECONDS = "jax_persistent_cache_min_compile_time_secs"


@pytest.fixture
def own_settings():
    """As of a user who has set nothing up; those of the tests are put back."""
    before = {name: jax.config.values[name] for name in (FOLDER, SECONDS)}
    jax.config.update(FOLDER, None)
    jax.config.update(SECONDS, 1.0)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.parametrize(
    ("ours", "own", "expected"),
    [("cache", None, "cache/compiled"), ("off", None, None), ("cache", "own", "own"), ("off", "own", "own")],
)
def test_the_folder_is_the_users_choice(monkeypatch, tmp_path, own_settings, ours, own, expected):
    monkeypatch.setenv(VARIABLE, "off" if ours == "off" else str(tmp_path / ours))
    jax.config.update(FOLDER, own and str(tmp_path / own))
    keep_compilations()
    assert jax.config.values[FOLDER] == (expected and str(tmp_path / expected))
    assert jax.config.values[SECONDS] == (0.0 if expected == "cache/compiled" else 1.0)


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_entries_that_are_not_whole_are_removed_once(tmp_path):
    whole = zlib.compress(b"program" * 99)
    contents = {
        "whole": whole,
        "cut": whole[:-9],
        "empty": b"",
        "other": b"program",
        "flipped": whole[:-1] + b"?",
    }
    for name, content in contents.items():
        (tmp_path / f"jit_{name}-cache").write_bytes(content)
    (tmp_path / "of somebody else").write_bytes(b"")
    remove_damaged(tmp_path)
    assert entries(tmp_path) == ["jit_whole-cache", "of somebody else"]
    new, old = tmp_path / "jit_new-cache", tmp_path / "jit_old-cache"
    for file in (new, old):
        file.write_bytes(b"")
    os.utime(old, (0, 0))  # there at the last check, so it is not read again
    remove_damaged(tmp_path)
    assert entries(tmp_path) == ["jit_old-cache", "jit_whole-cache", "of somebody else"]
    remove_damaged(tmp_path / "nowhere")


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path, monkeypatch, own_settings):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / "compiled").mkdir()
    remove_damaged(tmp_path / "compiled")
    os.utime(tmp_path / "compiled" / ".checked", (0, 0))
    (tmp_path / "compiled" / "jit_cut-cache").write_bytes(b"")
    keep_compilations()
    assert entries(tmp_path / "compiled") == []


def in_a_process(code: str, **environment: str) -> subprocess.CompletedProcess:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", VARIABLE))}
    chosen = inherited | {"JAX_PLATFORMS": "cpu"} | environment
    return subprocess.run([sys.executable, "-c", code], env=chosen, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.processes
def test_a_later_process_compiles_nothing_anew_and_damaged_entries_are_repaired(tmp_path):
    done = in_a_process(SCRIPT, **{VARIABLE: str(tmp_path)})
    whole = entries(tmp_path / "compiled")
    assert int(done.stdout) == 0 and whole
    for entry in (tmp_path / "compiled").glob("*-cache"):
        entry.write_bytes(entry.read_bytes()[:-9])
    first, second, third = (in_a_process(SCRIPT, **{VARIABLE: str(tmp_path)}) for _ in range(3))
    assert "Error reading persistent compilation cache" in first.stderr
    assert second.stderr == "" == third.stderr and int(third.stdout) > 0
    assert entries(tmp_path / "compiled") == whole


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.skipif(os.name == "nt", reason="of POSIX systems")
@pytest.mark.parametrize("home", ["nobody's", "unwritable", "a file"])
def test_importing_works_without_a_home_folder(tmp_path, home):
    """Containers run programs for users whom the system does not know; nothing is kept then."""
    place = tmp_path / "home"
    place.touch() if home == "a file" else place.mkdir(0o500)
    strange = "import os; os.path.expanduser = lambda name: name; del os.environ['HOME']\n"
    root = "import os; access = os.access; os.access = lambda p, m: not m & os.W_OK and access(p, m)\n"
    code = (strange if home == "nobody's" else root if os.geteuid() == 0 else "") + SCRIPT
    done = in_a_process(f"import warnings; warnings.simplefilter('error')\n{code}", HOME=str(place))
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.rglob("compiled")) and not Path("~").exists()


def test_what_cannot_be_written_is_only_read(monkeypatch, tmp_path, own_settings):
    (tmp_path / "compiled").mkdir()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and access(path, mode))
    keep_compilations()
    assert jax.config.values[FOLDER] == str(tmp_path / "compiled")
    assert jax.config.values[SECONDS] == float("inf")
