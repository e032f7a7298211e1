"""What ships: the wheel and its templates, the digits, the targets that the README names."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import symbp

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    ".gitignore",
    "LICENSE",
    "README.md",
    "examples",
    "generated",
    "pyproject.toml",
    "symbp",
    "templates",
    "tests",
]

needs_hatchling = pytest.mark.skipif(
    find_spec("hatchling") is None, reason="hatchling isn't installed (it is in the extra `dev`)"
)


def build(target: str, tree: Path, out: Path) -> Path:
    """Build `target` ("wheel" or "sdist") from the source tree `tree` into `out`; the one file made."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(out)]
    made = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    (archive,) = out.iterdir()
    return archive


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree, outside any git repository and without what was built in the original."""
    copy = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tree, tmp_path_factory.mktemp("wheel"))


def templates() -> dict[str, bytes]:
    """Path inside the wheel -> bytes, for each file under templates/."""
    top = ROOT / "templates"
    files = (path for path in top.rglob("*") if path.is_file())
    return {f"symbp/_templates/{path.relative_to(top).as_posix()}": path.read_bytes() for path in files}


@needs_hatchling
def test_wheel_holds_each_template_as_it_is(wheel: Path) -> None:
    expected = templates()
    assert "symbp/_templates/module.py.j2" in expected
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("symbp/_templates/")]
        held = {name: archive.read(name) for name in names}
    assert held == expected


@needs_hatchling
def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        assert "symbp = symbp.cli:main" in archive.read(metadata).decode()
    assert {name.split("/")[0] for name in names} == {"symbp", metadata.split("/")[0]}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "symbp").rglob("*.py")}
    assert {name for name in names if name.startswith("symbp/") and name.endswith(".py")} == modules


@needs_hatchling
def test_wheel_from_the_sdist_is_the_same_wheel(wheel: Path, tree: Path, tmp_path: Path) -> None:
    sdist = build("sdist", tree, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # since 3.11.4
        archive.extractall(tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    again = build("wheel", unpacked, tmp_path / "wheel")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_version_is_the_same_in_both_places() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert symbp.__version__ == project["version"]


def test_readme_names_only_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "lint", "clean", "help"} <= targets
    readme = (ROOT / "README.md").read_text()
    named = re.findall(r"(?:^(?:\$ )?|`)make ([a-z]+)\b(?=`|\s*(?:#|$))", readme, re.MULTILINE)
    assert set(named) <= targets


def test_digits_are_whole() -> None:
    with np.load(ROOT / "examples/data/digits.npz") as digits:
        assert sorted(digits.files) == ["licence", "t", "x"]
        x, t, licence = digits["x"], digits["t"], digits["licence"]
    assert (x.shape, x.dtype, x.min(), x.max()) == ((1797, 64), np.uint8, 0, 16)
    assert (t.shape, t.dtype) == ((1797,), np.uint8)
    assert np.bincount(t).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert licence.shape == ()
    assert "Alpaydin" in str(licence) and "CC BY 4.0" in str(licence)
