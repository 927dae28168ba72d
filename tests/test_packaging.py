"""The files around the package hold together, and so do its layers."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

pytestmark = pytest.mark.versions

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "minmax_jax"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

TOP_LEVEL = {
    *("README.md", "LICENSE", "requirements.txt", "environment.yml", "pyproject.toml"),
    *("minmax_jax", "notebooks", "tests"),
}

DRAWING = {"matplotlib", "ipywidgets", "IPython"}
MAY_DRAW = {"plots", "widgets"}


def tracked_files() -> list[str]:
    """Files that git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listing.splitlines() if (ROOT / name).exists()]


# Requirements


def comparable(lines: list[str]) -> set[tuple[str, str, str]]:
    parsed = [Requirement(line) for line in lines]
    return {(one.name, str(one.specifier), str(one.marker)) for one in parsed}


def requirement_lines() -> list[str]:
    text = (ROOT / "requirements.txt").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_requirements_are_those_of_the_project() -> None:
    *ranges, package = requirement_lines()
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["notebooks"]
    assert comparable(ranges) == comparable(wanted)
    assert package == "."


def test_ranges_have_a_lower_bound_and_no_pin() -> None:
    for requirements in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]:
        for requirement in map(Requirement, requirements):
            operators = [one.operator for one in requirement.specifier]
            assert ">=" in operators and "==" not in operators, requirement


def test_conda_environment_installs_the_requirements() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    *packages, from_pip = environment["dependencies"]
    ranges = {one.name: one.specifier for one in map(Requirement, packages)}
    lowest, *_, highest = pythons()
    beyond = f"3.{int(highest.removeprefix('3.')) + 1}"
    assert ranges == {"python": SpecifierSet(f">={lowest},<{beyond}"), "pip": SpecifierSet()}
    assert from_pip == {"pip": ["-r requirements.txt"]}
    assert environment["channels"] == ["conda-forge"]


def pythons() -> list[str]:
    """The versions of Python that the project names, in order."""
    named = [
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", one) for one in PROJECT["classifiers"]
    ]
    return [found[1] for found in named if found]


def test_pythons_are_the_same_everywhere() -> None:
    lowest, *_, highest = pythons()
    assert PROJECT["requires-python"] == f">={lowest}"
    assert f"with Python {lowest} to {highest}" in (ROOT / "README.md").read_text("utf-8")


def test_version_is_the_projects() -> None:
    from importlib.metadata import version

    assert version("minmax_jax") == PROJECT["version"]


# README


def test_readme_starts_with_two_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    start = re.search(r"^## Start\n(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    assert start, "README.md has no section Start"
    blocks = re.findall(r"^```bash\n(.*?)^```", start[1], re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    assert len(commands) == 2
    notebooks, tests = commands
    assert notebooks.endswith("&& jupyter lab notebooks")
    assert tests.endswith("&& python -m pytest")
    for command in commands:
        assert "-r requirements.txt" in command
    extras = re.findall(r'"\.\[(\w+)\]"', tests)
    assert extras == ["test"] and set(extras) <= set(PROJECT["optional-dependencies"])


def test_readme_maps_every_folder() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert not [name for name in folders if f"`{name}/`" not in readme]


def test_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 8 * 1024


def test_readmes_name_files_that_exist() -> None:
    for readme in [ROOT / "README.md", *PACKAGE.rglob("README.md"), *(ROOT / "notebooks").rglob("README.md")]:
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", readme.read_text("utf-8"))
        assert not [link for link in links if not (readme.parent / link).exists()], readme


# The built package


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy so that no build folder is left behind."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked_files():
        if name.startswith("minmax_jax/") or "/" not in name:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    build = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    command = [sys.executable, "-c", build]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = (source / "dist").glob("*.whl")
    return zipfile.ZipFile(built)


def test_wheel_holds_the_package_and_its_data(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    sources = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}
    assert sources | {"minmax_jax/data/mnist.npz", "minmax_jax/py.typed"} <= names


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert folders == {"minmax_jax", f"minmax_jax-{PROJECT['version']}.dist-info"}
    assert not re.findall(r"\btests?\b|\btest_", " ".join(wheel.namelist()))


# What lies where


def test_top_level_is_tidy() -> None:
    names = {name.split("/")[0] for name in tracked_files()}
    assert {name for name in names if not name.startswith(".")} == TOP_LEVEL


def text_files() -> Iterator[tuple[str, str]]:
    for name in tracked_files():
        path = ROOT / name
        if path != Path(__file__) and path.suffix not in {".npz", ".nc", ".png", ".gif"}:
            yield name, path.read_text("utf-8")


def test_no_machine_paths_or_registries() -> None:
    # Paths of one machine mean nothing on another; addresses of registries are the user's choice.
    machine = re.compile(r"(?<![\w.~}])/(?:root|tmp|work|home|Users)/")
    registry = re.compile(r"https?://[^\s)\"']*(?:pypi|pythonhosted|anaconda|/simple\b)")
    found = [
        f"{name}: {hit[0]}"
        for name, text in text_files()
        for hit in [*machine.finditer(text), *registry.finditer(text)]
    ]
    assert not found


# The house


def test_imports_keep_to_the_contracts() -> None:
    command = [shutil.which("lint-imports") or "lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_root_holds_what_the_paper_is_about() -> None:
    files = list(PACKAGE.glob("*.py"))
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in files)
    assert len(files) <= 15 and lines <= 2320


def test_every_folder_says_what_it_is_for_and_may_use() -> None:
    for path in PACKAGE.glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        assert len(re.findall(r"\.(?:\s|$)", text)) >= 2, path


def imports(path: Path) -> Iterator[str]:
    """Full names that a file imports, wherever in it; those from a package one by one."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_plots_and_widgets_draw() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] not in MAY_DRAW:
            assert not {imported.split(".")[0] for imported in imports(path)} & DRAWING, path


def test_public_names_are_those_that_completion_shows() -> None:
    import minmax_jax as mm

    assert {"plots", "report", "study", "widgets", "fit"} <= set(dir(mm)) and set(mm.__all__) <= set(dir(mm))
    assert not [name for name in dir(mm) if name.startswith("_") or not hasattr(mm, name)]


def test_modules_that_moved_are_found_by_their_old_names() -> None:
    import minmax_jax as mm
    from minmax_jax._moved import MOVED

    for name, new in MOVED.items():
        sys.modules.pop(f"minmax_jax.{name}", None)
        shown = new.removesuffix(".__main__")
        with pytest.warns(DeprecationWarning, match=f"minmax_jax.{name} is minmax_jax.{shown} now"):
            assert import_module(f"minmax_jax.{name}") is import_module(f"minmax_jax.{new}")
    with pytest.raises(AttributeError, match="has no attribute 'forget'"):
        mm.forget  # noqa: B018


@pytest.mark.processes
@pytest.mark.parametrize("name", ["prepare", "pages", "app"])
def test_commands_that_moved_run_by_their_old_names(name: str) -> None:
    command = [sys.executable, "-m", f"minmax_jax.{name}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "usage: python -m minmax_jax." in done.stdout
    assert "DeprecationWarning" in done.stderr


def test_nothing_is_pickled() -> None:
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "notebooks").glob("*.py")]:
        names = {part for imported in imports(path) for part in imported.split(".")}
        assert not names & {"pickle", "cloudpickle", "dill", "joblib", "shelve"}, path.name
        assert "allow_pickle=True" not in path.read_text("utf-8").replace(" ", ""), path.name


def test_import_is_light() -> None:
    heavy = ["tensorflow", "tensorflow_datasets", "matplotlib", "ipywidgets", "xarray", "pandas", "jinja2"]
    script = (
        f"import sys, minmax_jax; print(*(set({heavy}) & set(sys.modules))); minmax_jax.load()\n"
        "print(*({'tensorflow', 'tensorflow_datasets'} & set(sys.modules)))"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
