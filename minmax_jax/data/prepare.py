"""Preparing a tensorflow-datasets set, once: ``python -m minmax_jax.data.prepare fashion_mnist``.

The only step that needs TensorFlow and a network. It runs in a process of its own, so that
TensorFlow never shares one with JAX, and says in seconds, not minutes of retries, what is missing.
The prepared folder can be copied to a machine that has neither.
"""

import argparse
import difflib
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

KNOWN = ("mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100", "svhn_cropped")
PATIENCE = 4.0  # seconds in which a download server has to give some answer
RETRIES = 3  # of a download; tensorflow-datasets' own 10 take minutes


def find(name: str, folder: Path) -> Any:
    """The tensorflow-datasets builder of a name, without TensorFlow and without the network.

    ``name`` may name a configuration and a version: "emnist/balanced", "mnist:3.0.1".
    Raises ValueError for a name, configuration or version that tensorflow-datasets does not have.
    """
    if not re.fullmatch(r"\w+(/[\w.+-]+)?(:[\w.*]+)?", name):
        raise ValueError(
            f"name is {name!r}; it takes a name of tensorflow-datasets, "
            f"such as {', '.join(KNOWN)}, or 'name/configuration:version'"
        )
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=str(folder))
    except tfds.core.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name, known, n=3) or KNOWN
        raise ValueError(
            f"name is {name!r}, which tensorflow-datasets does not know; "
            f"it takes for example {', '.join(close)}, or the name of a set prepared in {folder}"
        ) from None
    except (AssertionError, ValueError) as error:
        raise ValueError(f"name is {name!r}, which cannot be had: {error}") from error


def is_prepared(builder: Any) -> bool:
    """True where the builder's folder holds a whole data set: its description is written last."""
    return (Path(builder.data_dir) / "dataset_info.json").is_file()


def prepare(name: str, builder: Any, folder: Path) -> None:
    """Download and prepare a data set into ``folder``, in a process of its own, with TensorFlow.

    Raises ModuleNotFoundError without TensorFlow and ConnectionError without the servers, both
    before anything is tried, and RuntimeError, with what tensorflow-datasets said, where it fails
    later.
    """
    check(name, builder, folder)
    print(f"Preparing {name} in {folder}, once; this takes minutes.", file=sys.stderr, flush=True)
    # -P: this file's folder must not hide other packages. No GPU: its memory is for JAX.
    command = [sys.executable, "-P", __file__, name, "--data-dir", str(folder)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(
            f"tensorflow-datasets could not prepare {name!r} in {folder}:\n{done.stderr.strip()[-2000:]}"
        )


def check(name: str, builder: Any, folder: Path) -> None:
    """See that TensorFlow and the servers are there; raises as ``prepare`` does, in seconds."""
    elsewhere = (
        "or, on a machine with a network, run\n"
        f"    python -m minmax_jax.data.prepare {name} --data-dir FOLDER\n"
        f"and copy FOLDER here: to {folder}, or anywhere and call "
        f"load({name!r}, data_dir=FOLDER) or set TFDS_DATA_DIR=FOLDER"
    )
    if find_spec("tensorflow") is None:
        raise ModuleNotFoundError(
            f"{name!r} is not prepared in {folder}, and preparing it needs TensorFlow. "
            f"Install it by\n    pip install 'minmax_jax[prepare]'\n{elsewhere}"
        )
    for url in _one_per_server(_to_download(builder, folder)):
        if problem := unreachable(url):
            raise ConnectionError(
                f"{name!r} is not prepared in {folder}, and its download server "
                f"{urllib.parse.urlsplit(url).netloc} cannot be reached ({problem}). "
                f"Try again with a network, {elsewhere}"
            )


def unreachable(url: str, patience: float = PATIENCE) -> str | None:
    """Why a server gives no answer within ``patience`` seconds, or None where it answers.

    The request goes through a proxy where the environment names one, as the download itself does.
    """
    answers: list[str | None] = []
    # In a thread, since looking up a host's name has no time limit of its own.
    asking = threading.Thread(target=lambda: answers.append(_ask(url, patience)), daemon=True)
    asking.start()
    asking.join(patience)
    return answers[0] if answers else f"no answer in {patience:g} seconds"


def _ask(url: str, patience: float) -> str | None:
    try:
        opener = urllib.request.build_opener()  # urlopen would keep the first call's proxies
        opener.open(urllib.request.Request(url, method="HEAD"), timeout=patience).close()
    except urllib.error.HTTPError as error:
        error.close()  # any answer but a gateway's is the server's own, for the download to judge
        return f"HTTP status {error.code}" if error.code in (407, 502, 503, 504) else None
    except urllib.error.URLError as error:
        # A certificate unknown here is an answer too: the download brings its own list.
        return None if type(error.reason).__name__ == "SSLCertVerificationError" else str(error.reason)
    except Exception as error:  # http.client, socket and encoding errors
        return str(error) or type(error).__name__
    return None


def _to_download(builder: Any, folder: Path) -> list[str]:
    """The recorded addresses whose files are not among tensorflow-datasets' downloads yet."""
    from tensorflow_datasets.core.download import resource

    downloads = folder / "downloads"

    def have(url: str, info: Any) -> bool:
        file = resource.get_dl_fname(url, info.checksum)
        kept = resource.is_locally_cached
        by_hand = downloads / "manual" / (info.filename or file)
        return kept(downloads / file) or kept(downloads / builder.name / file) or by_hand.exists()

    return [url for url, info in (builder.url_infos or {}).items() if not have(url, info)]


def _one_per_server(urls: list[str]) -> list[str]:
    return list({urllib.parse.urlsplit(url).netloc: url for url in urls}.values())


def build(name: str, folder: Path) -> None:
    """Download and prepare in this process, in the format that is read without TensorFlow."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    downloader.MAX_RETRIES = min(RETRIES, downloader.MAX_RETRIES)
    # array_record has no wheels for Windows; records of either format are read without TensorFlow.
    file_format = "array_record" if find_spec("array_record") else "tfrecord"
    builder = tfds.builder(name, data_dir=str(folder), file_format=file_format)
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    builder.download_and_prepare(download_config=config)


def data_folder(data_dir: str | os.PathLike[str] | None) -> Path:
    """Where tensorflow-datasets keeps data: as given, or as it decides itself."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return Path(chosen).expanduser().resolve()


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m minmax_jax.data.prepare NAME [--data-dir FOLDER]``."""
    parser = argparse.ArgumentParser(prog="python -m minmax_jax.data.prepare", description=__doc__)
    parser.add_argument("name", help="a name in tensorflow-datasets, such as fashion_mnist")
    parser.add_argument("--data-dir", help="default: TFDS_DATA_DIR, or tensorflow_datasets at home")
    options = parser.parse_args(arguments)
    folder = data_folder(options.data_dir)
    try:
        builder = find(options.name, folder)
        if not is_prepared(builder):
            check(options.name, builder, folder)
            build(options.name, folder)
    except (ValueError, ImportError, OSError) as error:
        parser.exit(1, f"{error}\n")
    print(f"{options.name} is prepared in {builder.data_dir}")


if __name__ == "__main__":
    main()
