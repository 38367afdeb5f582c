"""Writes pdq.npz: what pdqhash says of natural crops and of degenerate images.

PYTHONPATH=. python tests/hashing/make_pdq.py

Made with pdqhash 0.2.8, NumPy 2.4.6 and scikit-image 0.26.0, whose pictures the crops are of.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.pictures import crops, crops_of_any_size

COUNT = 304
TURNED = (40, 150, 210, 3)

Pixels = NDArray[np.uint8]


def degenerate() -> list[Pixels]:
    """Of equal coefficients: constant, striped, mirrored, enlarged ones; and small ones."""
    images = [np.full((h, w), value, np.uint8) for h, w, value in [(64, 64, 9), (200, 150, 255)]]
    images += [np.full((90, 130, 3), (200, 10, 30), np.uint8)]
    y, x = np.mgrid[:150, :130]
    images += [np.where(axis // 5 % 2, 200, 30).astype(np.uint8) for axis in (x, y)]
    for half in crops(4, 80, 70, 3):
        images += [np.hstack([half, half[:, ::-1]]), np.vstack([half, half[::-1]])]
    for tile in crops(4, 16, 16, 3):
        images += [np.kron(tile, np.ones((9, 9, 1), np.uint8))]
    images += [crop[:h, :w] for crop in crops(2, 64, 64, 3) for h, w in [(5, 7), (6, 64), (64, 64)]]
    images += [crop[:h, :w] for crop in crops(1, 64, 64, 3) for h, w in [(4, 40), (40, 3), (1, 1)]]
    return [np.ascontiguousarray(image) for image in images]


def as_rgb(image: Pixels) -> Pixels:
    return image if image.ndim == 3 else np.stack([image] * 3, axis=-1)


if __name__ == "__main__":
    import pdqhash

    rows = {}
    for name, images in [("natural", crops_of_any_size(COUNT)), ("degenerate", degenerate())]:
        found = [pdqhash.compute(as_rgb(image)) for image in images]
        rows[name] = np.stack([np.packbits(bits.astype(bool)) for bits, _ in found])
        rows[f"{name}_quality"] = np.array([quality for _, quality in found], np.uint8)
    eight = [pdqhash.compute_dihedral(image)[0] for image in crops(*TURNED)]
    rows["dihedral"] = np.packbits(np.array(eight, bool), axis=-1)
    np.savez_compressed(Path(__file__).with_name("pdq.npz"), **rows)
