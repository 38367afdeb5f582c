"""Writes imagehash.npz: what ImageHash says of natural crops. Run where ImageHash is installed.

PYTHONPATH=. python tests/imagehash/make_imagehash.py

Made with ImageHash 4.3.2, Pillow 13.0.0, NumPy 2.4.6, SciPy 1.17.1, PyWavelets 1.9.0 and
scikit-image 0.26.0, whose pictures the crops are of.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.pictures import crops_of_any_size

COUNT = 304
CALLS = {
    f"{name}-{n}": (name, (n,))
    for name in ("average_hash", "phash", "phash_simple", "dhash", "dhash_vertical", "whash")
    for n in (8, 12, 16)
    if name != "whash" or n != 12
}
CALLS |= {"whash-8-256": ("whash", (8, 256)), "phash-9-3": ("phash", (9, 3))}
CALLS |= {f"colorhash-{b}": ("colorhash", (b,)) for b in (2, 3, 4)}


def packed(hashed: object) -> np.ndarray:
    digits = str(hashed)
    return np.frombuffer(bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2)), np.uint8)


if __name__ == "__main__":
    import imagehash

    images = [Image.fromarray(crop) for crop in crops_of_any_size(COUNT)]
    rows = {
        call: np.stack([packed(getattr(imagehash, name)(image, *sizes)) for image in images])
        for call, (name, sizes) in CALLS.items()
    }
    np.savez_compressed(Path(__file__).with_name("imagehash.npz"), **rows)
