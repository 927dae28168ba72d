"""Result files: a labelled table in netCDF with a record of how it was made, verified on reading."""

import hashlib
import io
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from minmax_jax.storage.archive import replacing
from minmax_jax.storage.header import check_header
from minmax_jax.storage.names import as_path

if TYPE_CHECKING:
    import xarray as xr

FORMAT = "minmax_jax.study"
VERSION = 1  # of the format; a program reads its own and older ones
PACKAGES = ("minmax_jax", "jax", "jaxlib", "flax", "optax", "numpy")
DRAWS = ("widgets", "plots", "publish", "benchmark")
ENGINE: Final = "scipy"  # netCDF 3, which scipy reads and writes: no other package is needed


def versions() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    return {name: version(name) for name in PACKAGES}


def program() -> str:
    """A checksum of the package's own source, less what only draws: results depend on it too."""
    root = Path(__file__).parents[2]
    found = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        name = file.relative_to(root)
        if name.parts[0] not in DRAWS:
            found.update(name.as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:16]


def write(file: Path, table: "xr.Dataset", about: dict[str, Any]) -> "xr.Dataset":
    """Write a table to ``file``, whole or not at all, and return it as ``read`` will.

    ``about`` records how it was made, in names and values that JSON can hold. Raises TypeError for variables
    that are neither numbers, truth values nor texts, ValueError for integers beyond 32 bits, and OSError if
    the file cannot be written.
    """
    attributes = {"format": FORMAT, "format_version": VERSION, "about": json.dumps(about, sort_keys=True)}
    labelled = table.assign_attrs(attributes)
    labelled = labelled.assign_attrs(checksum=checksum(labelled))
    with replacing(file) as temporary:
        labelled.to_netcdf(temporary, engine=ENGINE)
    return read(file)


def read(path: str | os.PathLike[str]) -> "xr.Dataset":
    """The table of a result file, if that is whole, unchanged, and of this study.

    Its ``attrs`` are the table's own, a ``checksum`` of its content, and ``about``, how it was made, which
    the function ``about`` reads. Identity: after ``write(file, table, notes)``, ``read(file)`` equals
    ``table``, with integers in 32 bits. Raises FileNotFoundError if there is no such file, and ValueError if
    it is damaged, was changed by hand, comes from elsewhere, or has a newer format.
    """
    import xarray as xr  # heavy to import, so only where it is used

    file = as_path("path", path, "result file")
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist, or is no file; `python -m minmax_jax.study` makes it"
        )
    content = io.BytesIO(file.read_bytes())  # of a damaged file, the reader would leave it open
    try:
        table = xr.load_dataset(content, engine=ENGINE)
    except Exception as error:  # damage can raise nearly anything in a reader of netCDF
        raise ValueError(f"{file} is no netCDF file, or a damaged one: {error}") from error
    found = {"format": table.attrs.get("format"), "version": table.attrs.get("format_version")}
    check_header(file, found, FORMAT, VERSION, "a result file is what `python -m minmax_jax.study` writes")
    if table.attrs.get("checksum") != checksum(table):
        raise ValueError(f"{file} is damaged, or was changed after it was written: its checksum differs")
    return table


def about(table: "xr.Dataset") -> dict[str, Any]:
    """How a table that ``read`` returned was made.

    ``experiment``, ``question``, ``command``, ``config`` (seeds among it), ``data`` (checksums by data set),
    ``versions``, ``program`` (a checksum of the package's source) and ``seconds`` of computing.
    """
    return json.loads(table.attrs["about"])


def checksum(table: "xr.Dataset") -> str:
    """SHA-256 of a table's names, labels, attributes and values.

    Identity: unchanged by writing and reading, which turns 64-bit integers into 32-bit ones.
    """
    attributes = {name: str(value) for name, value in table.attrs.items() if name != "checksum"}
    found = hashlib.sha256(json.dumps(attributes, sort_keys=True).encode())
    for name in sorted(map(str, table.variables)):
        variable = table.variables[name]
        notes = {key: str(value) for key, value in variable.attrs.items()}
        found.update(json.dumps([name, variable.dims, variable.shape, notes], sort_keys=True).encode())
        found.update(_plain(variable.values))
    return found.hexdigest()


def _plain(values: np.ndarray) -> bytes:
    """Values as bytes, independent of the width and byte order of numbers in the file."""
    if values.dtype.kind in "US" or (
        values.dtype == object and all(isinstance(one, str) for one in values.ravel())
    ):
        return json.dumps(values.astype(str).tolist()).encode()
    if values.dtype.kind in "bui":
        return values.astype("<i8").tobytes()
    if values.dtype.kind == "f":
        wide = values.astype("<f8")
        return np.where(np.isnan(wide), np.nan, wide).tobytes()  # one NaN for all of them
    raise TypeError(f"values must be numbers, truth values or texts, got {values.dtype}")
