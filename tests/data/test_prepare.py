"""Preparing says within seconds what is missing and what to do, and asks nobody but the server."""

import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import minmax_jax as mm
from helpers.refusal import refuses
from minmax_jax.data import prepare

SERVER = "fashion-mnist.s3-website.eu-central-1.amazonaws.com"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """A machine without a network: the hosts whose address it was asked for."""
    hosts = []

    def no_address(host, *_, **__):
        hosts.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    def no_connection(*_):
        raise AssertionError("a connection past the look-up of names")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    monkeypatch.setattr(socket.socket, "connect", no_connection)
    return hosts


@pytest.fixture
def has_tensorflow(monkeypatch):
    monkeypatch.setattr(prepare, "find_spec", lambda name: object())


def no_process(*_, **__):
    raise AssertionError("a process to prepare in")


def test_without_tensorflow_the_error_names_the_extra(tmp_path, asked, monkeypatch):
    monkeypatch.setattr(prepare, "find_spec", lambda name: None)
    words = (
        "'fashion_mnist' is not prepared",
        tmp_path,
        "needs TensorFlow",
        "pip install 'minmax_jax[prepare]'",
        "python -m minmax_jax.data.prepare fashion_mnist --data-dir FOLDER",
        "load('fashion_mnist', data_dir=FOLDER)",
        "TFDS_DATA_DIR=FOLDER",
    )
    with refuses(*words, error=ModuleNotFoundError):
        mm.load("fashion_mnist", data_dir=tmp_path)
    assert asked == []


@pytest.mark.usefixtures("has_tensorflow")
def test_without_a_network_one_look_up_is_made_and_the_error_names_a_way(tmp_path, asked, monkeypatch):
    monkeypatch.setattr(subprocess, "run", no_process)
    words = (
        "'fashion_mnist' is not prepared",
        SERVER,
        "Name or service not known",
        "python -m minmax_jax.data.prepare fashion_mnist --data-dir FOLDER",
        f"copy FOLDER here: to {tmp_path}",
    )
    with refuses(*words, error=ConnectionError):
        mm.load("fashion_mnist", data_dir=tmp_path)
    assert asked == [SERVER]


@pytest.mark.parametrize("name", ["mnist", "kmnist", "cifar10", "emnist/balanced", "mnist:3.0.1"])
def test_finding_a_builder_asks_nobody(tmp_path, asked, name):
    builder = prepare.find(name, tmp_path)
    assert not prepare.is_prepared(builder)
    assert Path(builder.data_dir).is_relative_to(tmp_path)
    assert asked == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", ("name is ''", "fashion_mnist")),
        ("hub:mnist/x:y", ("name is 'hub:mnist/x:y'", "name/configuration:version")),
        ("../mnist", ("name is '../mnist'",)),
        ("cifar1", ("does not know", "cifar10")),
        ("mnist:9.9.9", ("name is 'mnist:9.9.9'", "3.0.1")),
        ("emnist/none", ("name is 'emnist/none'", "none not found")),
    ],
)
def test_names_that_cannot_be_had_are_refused_without_a_network(tmp_path, asked, name, words):
    with refuses(*words):
        prepare.find(name, tmp_path)
    assert asked == []


def test_a_name_that_is_never_looked_up_does_not_hold_us_up(monkeypatch):
    forever = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: forever.wait())
    assert prepare.unreachable("http://nowhere.invalid/x", 0.05) == "no answer in 0.05 seconds"
    forever.set()


def test_a_server_that_never_answers_does_not_hold_us_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        assert prepare.unreachable(url, 0.05) is not None


def test_a_closed_port_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "refused" in prepare.unreachable(f"http://127.0.0.1:{port}/x", 5.0)


@pytest.mark.parametrize(
    ("status", "problem"),
    [(200, None), (403, None), (404, None), (500, None), (503, "HTTP status 503")],
)
@pytest.mark.parametrize("proxied", [False, True])
def test_any_answer_but_a_gateways_is_one(status, problem, proxied, monkeypatch):
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        if proxied:
            monkeypatch.setenv("http_proxy", url)
            url = "http://nowhere.invalid"
        assert prepare.unreachable(f"{url}/x", 10.0) == problem
        server.shutdown()


@pytest.mark.usefixtures("has_tensorflow")
def test_what_is_downloaded_already_is_not_asked_for(tmp_path, asked):
    from tensorflow_datasets.core.download import resource

    builder = prepare.find("fashion_mnist", tmp_path)
    for url, info in builder.url_infos.items():
        with refuses(SERVER, error=ConnectionError):
            prepare.check("fashion_mnist", builder, tmp_path)
        file = tmp_path / "downloads" / "fashion_mnist" / resource.get_dl_fname(url, info.checksum)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        resource.get_info_path(file).write_text("{}")
    prepare.check("fashion_mnist", builder, tmp_path)
    assert asked == [SERVER] * 4


@pytest.mark.usefixtures("has_tensorflow")
def test_what_tensorflow_datasets_says_is_handed_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(prepare, "unreachable", lambda url: None)
    monkeypatch.setattr(prepare.sys, "executable", str(failing(tmp_path, "no space left on device")))
    with refuses("could not prepare 'kmnist'", "no space left on device", error=RuntimeError):
        mm.load("kmnist", data_dir=tmp_path)
    assert "Preparing kmnist" in capsys.readouterr().err


def failing(folder: Path, message: str) -> Path:
    """A program that takes the place of Python, complains and fails."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\necho '{message}' >&2\nexit 3\n")
    program.chmod(0o755)
    return program


def test_the_command_tells_what_is_missing(tmp_path, asked, monkeypatch, capsys):
    monkeypatch.setattr(prepare, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as exit_:
        prepare.main(["fashion_mnist", "--data-dir", str(tmp_path)])
    assert exit_.value.code == 1
    assert "minmax_jax[prepare]" in capsys.readouterr().err


def test_an_offline_process_ends_long_before_the_retries_would(tmp_path):
    """tensorflow-datasets by itself takes 204 seconds; this takes two or three."""
    code = (
        "import sys\n"
        "from minmax_jax import prepare\n"
        "prepare.find_spec = lambda name: True\n"
        "prepare.main(['fashion_mnist', '--data-dir', sys.argv[1]])\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        env={**prepare.os.environ, "http_proxy": f"http://127.0.0.1:{port}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert SERVER in done.stderr and "Traceback" not in done.stderr
