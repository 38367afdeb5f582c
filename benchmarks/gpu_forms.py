"""Which form of the resize is the faster on a GPU: products of rows, or a gather?

    python benchmarks/gpu_forms.py

Arrays are on the device before. A program is compiled in either form, and ten calls are queued, on
two sets of images in turns; the median of three rounds counts. Both forms must answer alike, and
the bits of the first images must be those of this machine's CPU.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _turns import save
from on_accelerator import CPU, first_call, seconds

import jaxdedup
from jaxdedup import imagehash
from jaxdedup.image import _forms

COMPARED = 16  # images, with the CPU
METHODS: dict[str, Callable[..., Any]] = {
    "ahash": jaxdedup.ahash,
    "phash": jaxdedup.phash,
    "phash, 16": partial(jaxdedup.phash, hash_size=16),
    "imagehash.phash": imagehash.phash,
    "whash": jaxdedup.whash,
}
LARGE = ("whash",)
CASES = {  # (B, H, W) and the methods
    (1024, 256, 256): ("ahash", "phash", "phash, 16", "imagehash.phash"),
    (256, 480, 640): tuple(METHODS),
    (128, 700, 700): LARGE,
    (64, 1024, 1024): LARGE,
    (32, 1536, 2048): LARGE,
}
FORMS = {"products": 0, "gather": 10**6}  # the fewest inputs of an output for products


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--save", metavar="NAME", default="gpu_forms")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for (count, height, width), names in CASES.items():
        images = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
        sets = [jnp.asarray(images), jnp.asarray(images[::-1].copy())]
        for name in names:
            expected = np.asarray(METHODS[name](jax.device_put(images[:COMPARED], CPU)))
            for form, fewest in FORMS.items():
                _forms._WARP = fewest
                jax.clear_caches()
                first = first_call(METHODS[name], sets[0])
                once = seconds(METHODS[name], sets)
                answer = np.asarray(METHODS[name](sets[0]))[:COMPARED]
                row = {
                    "images": f"{count}×{height}×{width}×3",
                    "method": name,
                    "form": form,
                    "images_per_second": count / once,
                    "first_call_s": first,
                    "equal": bool((answer == expected).all()),
                }
                rows.append(row)
                print(*row.values(), sep="\t", flush=True)
                save(options.save, rows)


if __name__ == "__main__":
    main()
