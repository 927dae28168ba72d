"""The machine and the versions that numbers were measured with."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from minmax_jax.jobs.parallel import cores

PACKAGES = ("minmax_jax", "jax", "jaxlib", "flax", "optax", "torch")


def processor(listing: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's name, if the system tells it."""
    if listing.exists():
        for line in listing.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory() -> float | None:
    """Main memory in GiB, or None if the system does not tell it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return None


def versions() -> dict[str, str]:
    """Versions of Python and of the packages measured, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def describe() -> dict[str, Any]:
    """Machine and versions. It starts JAX, so it runs in a process of its own."""
    import jax

    backend = jax.default_backend()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": cores(),
        "memory": memory(),
        "backend": backend,
        "device": None if backend == "cpu" else jax.devices()[0].device_kind,
        "versions": versions(),
    }
