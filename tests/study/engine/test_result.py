"""Result files: what is written is read, and what is not whole, or not ours, is refused in words."""

import struct

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.refusal import refuses
from minmax_jax.study.engine import result

pytestmark = pytest.mark.versions

ABOUT = {"experiment": "test", "config": {"seeds": [0, 1]}, "seconds": 1.5}


def table() -> xr.Dataset:
    values = np.array([[1.5, np.nan], [-2.0, 0.0]], np.float32)
    variables = {
        "accuracy": (("attack", "seed"), values, {"long_name": "accuracy under attack"}),
        "count": (("seed",), np.array([3, 2**31 - 1])),
        "holds": (("seed",), np.array([True, False])),
        "alone": ((), np.float64(0.1)),
    }
    return xr.Dataset(variables, {"attack": ["pgd", "größer"], "seed": [0, 1]}, {"model": "LeNet"})


@pytest.fixture
def file(tmp_path):
    result.write(tmp_path / "some.nc", table(), ABOUT)
    return tmp_path / "some.nc"


def test_what_is_written_is_read(file):
    found = result.read(file)
    xr.testing.assert_equal(found, table())
    assert found.accuracy.dtype == np.float32 and found.holds.dtype == bool
    assert found.accuracy.attrs == {"long_name": "accuracy under attack"}
    assert found.attrs["model"] == "LeNet" and result.about(found) == ABOUT
    assert [path.name for path in file.parent.iterdir()] == ["some.nc"]
    assert file.read_bytes().startswith(b"CDF")  # other programs read it
    with xr.open_dataset(file) as plain:
        assert float(plain.alone) == 0.1
    assert set(result.versions()) == {"minmax_jax", "jax", "jaxlib", "flax", "optax", "numpy"}


@given(
    values=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.bool_]),
        hnp.array_shapes(min_dims=1, max_dims=3),
        elements=st.integers(0, 1) | st.just(1),
    )
)
def test_the_checksum_survives_a_file(tmp_path_factory, values):
    one = xr.Dataset({"x": (tuple("abc"[: values.ndim]), values)})
    file = tmp_path_factory.getbasetemp() / "any.nc"
    result.write(file, one, ABOUT)
    xr.testing.assert_equal(result.read(file), one)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.assign(count=one["count"] + 1),
        lambda one: one.assign(holds=~one.holds),
        lambda one: one.assign(accuracy=one.accuracy.fillna(0)),
        lambda one: one.assign_coords(attack=["pgd", "grösser"]),
        lambda one: one.assign_attrs(model="other"),
        lambda one: one.rename(alone="lonely"),
        lambda one: one.drop_vars("alone"),
        lambda one: one.assign(accuracy=one.accuracy.assign_attrs(long_name="accuracy")),
    ],
)
def test_a_change_by_hand_is_noticed(file, change):
    changed = change(xr.load_dataset(file))
    changed.to_netcdf(file, engine="scipy")
    with refuses(file, "is damaged, or was changed after it was written"):
        result.read(file)


def test_any_damage_is_noticed(file):
    """A byte of a value changed, the end cut off, nothing left."""
    whole = file.read_bytes()
    place = whole.index(struct.pack(">f", 1.5))
    damaged = [
        whole[:place] + b"\x7f" + whole[place + 1 :],
        whole[: len(whole) - 40],
        whole[:60],
        b"",
        b"no netCDF at all",
    ]
    for content in damaged:
        file.write_bytes(content)
        with refuses(file, "damaged"):
            result.read(file)


def test_a_failed_write_leaves_what_was_there(file, monkeypatch):
    before = file.read_bytes()

    def fail(self, path, **_):
        path.write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(OSError, match="the disk is full"):
        result.write(file, table(), ABOUT)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["some.nc"]


def test_what_is_no_result_of_ours_is_refused(file):
    foreign = xr.Dataset({"x": ("a", [1.0])})
    foreign.to_netcdf(file, engine="scipy")
    with refuses(file, "holds something else", "python -m minmax_jax.study"):
        result.read(file)
    foreign.assign_attrs(format=result.FORMAT, format_version=2).to_netcdf(file, engine="scipy")
    with refuses(file, "in format 2, newer than format 1"):
        result.read(file)
    with refuses("does not exist", error=FileNotFoundError):
        result.read(file.with_name("none.nc"))
    with refuses("path must be the name of a result file, got 3", error=TypeError):
        result.read(3)
    odd = xr.Dataset({"x": ("a", np.array([{"a": 1}], object))})
    with refuses("values must be numbers, truth values or texts, got object", error=TypeError):
        result.write(file.with_name("odd.nc"), odd, ABOUT)
    assert [path.name for path in file.parent.iterdir()] == ["some.nc"]
