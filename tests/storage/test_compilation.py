"""What jax compiles is kept for the next process, where the user says."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from minmax_jax.storage.cache import VARIABLE
from minmax_jax.storage.compilation import keep_compilations

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


@pytest.mark.parametrize(
    ("ours", "own", "expected"),
    [("cache", None, "cache/compiled"), ("off", None, None), ("cache", "own", "own"), ("off", "own", "own")],
)
def test_the_folder_is_the_users_choice(monkeypatch, tmp_path, ours, own, expected):
    monkeypatch.setenv(VARIABLE, "off" if ours == "off" else str(tmp_path / ours))
    before = {name: jax.config.values[name] for name in (FOLDER, SECONDS)}
    try:
        jax.config.update(FOLDER, own and str(tmp_path / own))
        jax.config.update(SECONDS, 1.0)
        keep_compilations()
        assert jax.config.values[FOLDER] == (expected and str(tmp_path / expected))
        assert jax.config.values[SECONDS] == (0.0 if expected == "cache/compiled" else 1.0)
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


@pytest.mark.slow
@pytest.mark.processes
def test_a_second_process_compiles_nothing_anew(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    chosen = inherited | {"JAX_PLATFORMS": "cpu", VARIABLE: str(tmp_path)}
    options = {"env": chosen, "capture_output": True, "text": True, "check": True}
    first, second = (int(subprocess.run([sys.executable, "-c", SCRIPT], **options).stdout) for _ in range(2))
    assert first == 0 and second > 0 and list((tmp_path / "compiled").iterdir())
