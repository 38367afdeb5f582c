"""How long does hashing take for images that are in memory already?

    python benchmarks/hash_arrays.py

Three ways from N×H×W×3 uint8 to hashes, in turns, compiled before: jaxdedup's array functions on
the default device, a loop over Pillow and SciPy on one thread (what the other libraries do, without
their decoding), and the same hash with ``jax.image.resize`` in float32, which is not exact.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pywt
import scipy.fft
from _folders import crop, pictures
from _turns import save
from PIL import Image

import jaxdedup

SHAPES = {(256, 256): 128, (480, 640): 32}  # (H, W) and the number of images
SIZES = {"ahash": (8, 8), "dhash": (8, 9), "phash": (32, 32), "whash": (256, 256)}


def natural_images(count: int, height: int, width: int) -> np.ndarray:
    import random

    rng = random.Random(0)
    sources = pictures()
    crops = (crop(sources[i % len(sources)], (width, height), rng) for i in range(count))
    return np.stack([np.asarray(image) for image in crops])


def pillow_scipy(method: str, images: np.ndarray) -> list[np.ndarray]:
    height, width = SIZES[method]

    def one(image: np.ndarray) -> np.ndarray:
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
        luma = np.asarray(resized.convert("L"))
        if method == "ahash":
            bits = luma >= luma.mean()
        elif method == "dhash":
            bits = luma[:, 1:] > luma[:, :-1]
        elif method == "phash":
            low = scipy.fft.dct(scipy.fft.dct(luma, axis=0), axis=1)[:8, :8].ravel()
            bits = low >= np.median(low[1:])
        else:
            low = pywt.wavedec2(luma / 255.0, "haar", level=5)[0]
            bits = low >= np.median(low)
        return np.packbits(bits)

    return [one(image) for image in images]


def float_resize(method: str) -> Callable[[jax.Array], jax.Array]:
    """The best that one writes without this library: close, fast, not the same bits."""
    height, width = SIZES[method]
    n = np.arange(32)
    basis = np.cos(np.pi * np.outer(np.arange(8), 2 * n + 1) / 64).astype(np.float32)

    @jax.jit
    def run(images: jax.Array) -> jax.Array:
        shape = (len(images), height, width, 3)
        resized = jax.image.resize(images.astype(jnp.float32), shape, "lanczos3")
        luma = resized @ jnp.array([0.299, 0.587, 0.114])
        if method == "ahash":
            bits = luma >= luma.mean((1, 2), keepdims=True)
        elif method == "dhash":
            bits = luma[..., 1:] > luma[..., :-1]
        elif method == "phash":
            low = jnp.einsum("km,bmn,ln->bkl", basis, luma, basis).reshape(-1, 64)
            bits = low >= jnp.median(low[:, 1:], axis=1, keepdims=True)
        else:
            low = luma.reshape(-1, 8, 32, 8, 32).sum((2, 4)).reshape(-1, 64)
            bits = low >= jnp.median(low, axis=1, keepdims=True)
        return jnp.packbits(bits.reshape(-1, 64), axis=1)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--save", metavar="NAME", default="hash_arrays")
    options = parser.parse_args()
    rows = []
    print("| images | method | contestant | ms/image | GB/s | jaxdedup is | first call |")
    print("|---|---|---|---|---|---|---|")
    for (height, width), count in SHAPES.items():
        images = natural_images(count, height, width)
        on_device = jax.block_until_ready(jnp.asarray(images))
        for method in options.methods:
            ours = getattr(jaxdedup, method)
            theirs = float_resize(method)
            runs = {
                "jaxdedup": lambda f=ours, x=on_device: jax.block_until_ready(f(x)),
                "jax.image.resize": lambda f=theirs, x=on_device: jax.block_until_ready(f(x)),
                "Pillow + SciPy": lambda m=method, x=images: pillow_scipy(m, x),
            }
            first = {name: timed(run) for name, run in runs.items()}
            seconds: dict[str, list[float]] = {name: [] for name in runs}
            for _ in range(options.rounds):
                for name, run in runs.items():
                    seconds[name].append(timed(run))
            medians = {name: statistics.median(s) / count for name, s in seconds.items()}
            for name, median in medians.items():
                row = {
                    "images": f"{count}×{height}×{width}×3",
                    "method": method,
                    "contestant": name,
                    "ms_per_image": median * 1e3,
                    "gb_per_s": height * width * 3 / median / 1e9,
                    "jaxdedup_is": median / medians["jaxdedup"],
                    "first_call_s": first[name],
                }
                rows.append(row)
                print(
                    f"| {row['images']} | {method} | {name} | {row['ms_per_image']:.3f} "
                    f"| {row['gb_per_s']:.2f} | {row['jaxdedup_is']:.2f} × "
                    f"| {row['first_call_s']:.2f} s |",
                    flush=True,
                )
    save(options.save, rows, rounds=options.rounds)


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
