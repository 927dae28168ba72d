"""What jax compiles is kept for the next process, where the user says."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import jax
import minmax_jax as mm

print(jax.config.jax_compilation_cache_dir)
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
jax.jit(lambda x: x * 2 + 1)(jax.numpy.arange(7.0)).block_until_ready()
print(sum(name == "/jax/compilation_cache/cache_hits" for name in hits))
"""


def fresh_process(**environment: str) -> tuple[str, int]:
    """The cache folder of a new process, and how many programs it took from there instead of compiling."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    command = [sys.executable, "-c", SCRIPT]
    ran = subprocess.run(
        command,
        env=inherited | {"JAX_PLATFORMS": "cpu"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    folder, hits = ran.stdout.split()
    return folder, int(hits)


def test_a_second_process_compiles_nothing_anew(tmp_path: Path) -> None:
    folder, first = fresh_process(MINMAX_JAX_CACHE=str(tmp_path))
    assert Path(folder).parent == tmp_path
    assert first == 0 and list(Path(folder).iterdir())
    _, second = fresh_process(MINMAX_JAX_CACHE=str(tmp_path))
    assert second > 0


def test_the_cache_is_off_where_the_user_says_so() -> None:
    assert fresh_process(MINMAX_JAX_CACHE="off") == ("None", 0)


def test_a_cache_that_the_user_has_set_up_in_jax_stays(tmp_path: Path) -> None:
    own = str(tmp_path / "own")
    folder, _ = fresh_process(MINMAX_JAX_CACHE=str(tmp_path / "ours"), JAX_COMPILATION_CACHE_DIR=own)
    assert folder == own
    assert not (tmp_path / "ours").exists()
