"""Makes results.json: what imagededup's calls give, those of guides.md and of the page on it.

    python -m venv peer && peer/bin/pip install imagededup==0.3.3.post2 torch torchvision
    peer/bin/python make_results.py

imagededup's network of today downloads its weights. Its contract here is that of 0.1 and 0.2,
MobileNet V1: in the network's place stand Keras' features of the reference images, which are told
by their pixels. Its hashes come in the order of the file system; here they are sorted.
"""

import ast
import hashlib
import json
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parent / "reference"
PAGE = HERE.parents[2] / "docs" / "coming_from_imagededup.md"
PICTURES = [
    *["bad_text.jpg", "bad_truncated.jpg", "gray_200x150.png", "jpeg_baseline_320x240.jpg"],
    *["jpeg_progressive_320x240.jpg", "rgb_200x150.bmp", "rgb_200x150.png", "rgb_200x150.webp"],
    *["rgb_320x240.png", "rgba_200x150.png", "tall_100x200.png", "tall_100x201.png"],
    *["two_frames_200x150.gif", "wide_400x100.png"],
]
MOST_NUMBERS = 8  # of an array, that are stored

# What the page says that its calls are made with.
PREPARATION = """
import numpy as np
from imagededup.evaluation import evaluate
from imagededup.methods import CNN, PHash
from imagededup.methods.hashing import Hashing
from imagededup.utils import plot_duplicates
phash, cnn = PHash(verbose=False), CNN(verbose=False)
hashes = {"a": "0" * 16, "b": "0" * 15 + "1", "c": "0" * 16}
features = {"a": np.float32([1, 0]), "b": np.float32([1, 0]), "c": np.float32([0, 1])}
"""


def cells() -> list[str]:
    """The calls of the guides, each with what it needs of those before."""
    return re.findall(r"```python\n(.*?)```", (HERE / "guides.md").read_text("utf-8"), re.DOTALL)


def rows() -> list[list[str]]:
    """The page's: a call, what imagededup makes of it, what we do, and why."""
    lines = PAGE.read_text("utf-8").splitlines()
    table = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in table]


def run(code: str, names: dict[str, Any]) -> Any:
    """The value of the last line, as in a notebook; of an error its class."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    try:
        exec(compile(tree, "guide", "exec"), names)
        return last and eval(compile(ast.Expression(last.value), "guide", "eval"), names)
    except Exception as error:
        return type(error)


def shown(code: str, names: dict[str, Any]) -> str:
    """The same, as the page tells it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        value = run(code, names)
    told = sorted({warning.category.__name__ for warning in caught})
    return ", ".join([*told, value.__name__ if isinstance(value, type) else repr(value)])


def plain(value: Any) -> Any:
    """As JSON holds it, arrays as their shape and first numbers."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return [list(value.shape), value.reshape(-1)[:MOST_NUMBERS].tolist()]
    if isinstance(value, type):
        return value.__name__
    return value.item() if isinstance(value, np.generic) else value


def prepared(folder: Path) -> dict[str, Any]:
    """The names that the guides use; their pictures are in the folder, some more beside them."""
    image_dir = folder / "photos"
    for place in (image_dir, image_dir / ".hidden", folder / "empty"):
        place.mkdir(parents=True)
    for name in PICTURES:
        shutil.copy(REFERENCE / "images" / name, image_dir)
    shutil.copy(REFERENCE / "images" / "rgb_32x32.png", image_dir / ".hidden")
    return {"image_dir": image_dir}


def small(image: Image.Image) -> Any:
    """A transform of the user's own."""
    return np.asarray(image.resize((16, 12)), np.float32) / 255


def results(package: str, **names: Any) -> Iterator[tuple[str, Any]]:
    """Of a package with imagededup's calls: each call and what it gives.

    Args:
        package: its name.
        names: a model that makes one row of all numbers of an image, and a transform.
    """
    with tempfile.TemporaryDirectory() as place, chdir(place):
        names |= prepared(Path(place))
        for cell in cells():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield cell, plain(run(cell.replace("imagededup", package), names))


def outcomes(package: str) -> Iterator[tuple[str, str]]:
    """Likewise of the page's calls."""
    with tempfile.TemporaryDirectory() as place, chdir(place):
        names = prepared(Path(place))
        exec(PREPARATION.replace("imagededup", package), names)
        for call, *_ in rows():
            yield call, shown(call.strip("`").replace("imagededup", package), names)


def _keras_in_place_of_the_network() -> None:
    import torch
    from imagededup.methods import cnn, hashing

    with np.load(REFERENCE / "cnn_features.npz") as keras:
        features = dict(zip(keras["resized_sha256"].tolist(), keras["features"], strict=True))

    class Keras(torch.nn.Identity):
        name = "mobilenet"

        @staticmethod
        def transform(image: Image.Image) -> torch.Tensor:
            pixels = np.asarray(image.resize((224, 224), Image.Resampling.LANCZOS))
            return torch.from_numpy(features[hashlib.sha256(pixels.tobytes()).hexdigest()])

    cnn.MobilenetV3 = Keras
    generate_files = hashing.generate_files
    hashing.generate_files = lambda *arguments: sorted(generate_files(*arguments))


def main() -> None:
    from importlib.metadata import version

    import matplotlib
    import torch

    matplotlib.use("Agg")
    _keras_in_place_of_the_network()
    own = {"model": torch.nn.Flatten(), "transform": lambda image: torch.from_numpy(small(image))}
    stored = {
        "made_with": f"imagededup {version('imagededup')}",
        "guides": [value for _, value in results("imagededup", **own)],
        "page": dict(outcomes("imagededup")),
    }
    (HERE / "results.json").write_text(json.dumps(stored, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
