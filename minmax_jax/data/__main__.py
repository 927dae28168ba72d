"""Prepare a tensorflow-datasets set, once: ``python -m minmax_jax.data fashion_mnist``.

This is the only step that needs TensorFlow and a network. The prepared folder can be copied to a machine that
has neither.
"""

import argparse
import warnings

from minmax_jax.data.tfds import data_folder
from minmax_jax.data.tfds_process import build, check, find, is_prepared


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m minmax_jax.data NAME [--data-dir FOLDER]``."""
    parser = argparse.ArgumentParser(prog="python -m minmax_jax.data", description=__doc__)
    parser.add_argument("name", help="a name in tensorflow-datasets, such as fashion_mnist")
    parser.add_argument("--data-dir", help="default: TFDS_DATA_DIR, or tensorflow_datasets at home")
    options = parser.parse_args(arguments)
    try:
        folder = data_folder(options.data_dir)
        with warnings.catch_warnings(action="ignore"):  # they are about tensorflow-datasets and what it uses
            builder = find(options.name, folder)
            if not is_prepared(builder):
                check(options.name, builder, folder)
                builder = build(options.name, folder)
    except (ValueError, ImportError, OSError, RuntimeError) as error:
        parser.exit(1, f"{error}\n")
    print(f"{options.name} is prepared in {builder.data_dir}")


if __name__ == "__main__":
    main()
