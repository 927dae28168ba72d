"""The machine is described as the system tells it."""

import sys
from importlib.metadata import version

from minmax_jax.benchmark import machine


def test_the_processors_name_is_read(tmp_path):
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nmodel name\t: Abacus 3: fast\nmodel name\t: other\n", "utf-8")
    assert machine.processor(listing) == "Abacus 3: fast"
    listing.write_text("nothing known\n", "utf-8")
    assert machine.processor(listing) == machine.processor(tmp_path / "missing")


def test_versions_are_those_installed():
    found = machine.versions()
    assert found["jax"] == version("jax")
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_machine_has_cores_and_a_backend():
    found = machine.describe()
    assert found["cores"] >= 1 and found["backend"] == "cpu" and found["device"] is None
    assert machine.memory() is None or machine.memory() > 0
