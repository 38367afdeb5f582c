"""The package as its users meet it: what importing brings in, and a wheel far from here."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import jaxdedup

ROOT = Path(__file__).parents[1]


def python(code: str, **options: object) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, **options
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_imports_are_few_and_change_nothing() -> None:
    heavy = ["flax", "matplotlib", "pandas", "scipy.fftpack", "imageio", "pyarrow", "h5py"]
    heavy += ["ray", "fsspec"]
    code = """
import sys
import jax
before = dict(jax.config.values)
import jaxdedup.integrations.ray, jaxdedup.utils
from jaxdedup.mobilenet import features
from jaxdedup.methods import AHash, DHash, PHash, WHash
assert dict(jax.config.values) == before
assert not jax._src.xla_bridge._backends, "a device was touched"
"""
    assert python(f"{code}\nprint([m for m in {heavy} if m in sys.modules])") == "[]\n"


@pytest.mark.parametrize("statement", ["import jaxdedup", "import jaxdedup.loading"])
def test_decoding_needs_no_jax(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint([m for m in sys.modules if m.split('.')[0] == 'jax'])"
    assert python(code) == "[]\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of this repository unpacked into it, and no dependency."""
    folder = tmp_path_factory.mktemp("wheel")
    offline = ["--no-deps", "--no-index", "--no-cache-dir", "--quiet"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    source = folder / "source"
    source.mkdir()
    # A copy of what a build needs: setuptools leaves its traces beside the sources.
    for name in ["pyproject.toml", "LICENSE", "README.md", "jaxdedup", "weights"]:
        if (ROOT / name).exists():
            subprocess.run(["cp", "-r", ROOT / name, source], check=True)
    build = [*pip, "wheel", *offline, "--no-build-isolation", "-w", folder, source]
    subprocess.run(build, check=True, cwd=folder)
    (wheel,) = folder.glob("jaxdedup-*.whl")
    assert wheel.name.startswith(f"jaxdedup-{jaxdedup.__version__}-")
    assert wheel.stat().st_size < 20e6
    with ZipFile(wheel) as content:
        content.extractall(folder / "site")
    return folder / "site"


def test_wheel_works_elsewhere(installed: Path, tmp_path: Path) -> None:
    code = """
import numpy as np, jaxdedup
from jaxdedup.methods import CNN, PHash
image = np.full((30, 40, 3), 200, np.uint8)
print(jaxdedup.__file__)
print(PHash(verbose=False).encode_image(image_array=image))
print(CNN(verbose=False).encode_image(image_array=image).shape)
"""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    file, digits, shape = python(code, cwd=tmp_path, env=environment).splitlines()
    assert Path(file).is_relative_to(installed)
    assert (digits, shape) == ("f" * 16, "(1, 1024)")


@pytest.mark.parametrize("beside", [True, False], ids=["beside a wheel", "alone"])
def test_weights_are_found_inside_a_checkout(beside: bool, installed: Path) -> None:
    code = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "__editable__" not in repr(finder)]
import jaxdedup
from jaxdedup.mobilenet.params import shipped_weights
print(jaxdedup.__file__)
print(shipped_weights())
"""
    environment = os.environ | ({"PYTHONPATH": str(installed)} if beside else {})
    file, weights = python(code, cwd=ROOT, env=environment).splitlines()
    assert Path(file).parent == ROOT / "jaxdedup"
    assert Path(weights).parent == ROOT / "weights"


def test_wheel_is_complete(installed: Path) -> None:
    here = {p.relative_to(ROOT) for p in (ROOT / "jaxdedup").rglob("*.py")}
    there = {p.relative_to(installed) for p in (installed / "jaxdedup").rglob("*.py")}
    assert here <= there
    assert (installed / "jaxdedup" / "py.typed").exists()
    assert not (installed / "tests").exists()
