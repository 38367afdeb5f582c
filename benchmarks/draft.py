"""How many bits does ``draft=True`` change, on natural pictures?

    python benchmarks/draft.py

JPEGs of quality 90 at scikit-image's native resolution: 400 crops of 350 to 1,400 pixels a side.
For CNN, the cosine similarity between the exact features and those of the draft.
"""

import argparse
import io
import random
from typing import Any

import numpy as np
from _folders import pictures
from _turns import save
from PIL import Image

from jaxdedup import methods

HASHES = ("PHash", "AHash", "DHash", "WHash")


def native_crops(count: int) -> list[bytes]:
    """Crops that are not scaled: what the JPEG decoder averages is real detail."""
    rng = random.Random(0)
    large = [p for p in pictures() if min(p.size) >= 350]
    return [native_crop(large[i % len(large)], rng) for i in range(count)]


def native_crop(picture: Image.Image, rng: random.Random) -> bytes:
    width, height = rng.randint(350, picture.width), rng.randint(350, picture.height)
    left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
    file = io.BytesIO()
    picture.crop((left, top, left + width, top + height)).save(file, "JPEG", quality=90)
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400)
    options = parser.parse_args()
    images = native_crops(options.images)

    def encode(method: str, draft: bool) -> list[Any]:
        return getattr(methods, method)(verbose=False, draft=draft).encode_batch(images)

    rows = []
    print("| method | mean bits of 64 | largest | no bit changes in | beyond 10 bits |")
    print("|---|---|---|---|---|")
    for method in HASHES:
        pairs = zip(encode(method, False), encode(method, True), strict=True)
        bits = np.array([getattr(methods, method).hamming_distance(a, b) for a, b in pairs])
        rows.append(
            {
                "method": method,
                "mean_bits": float(bits.mean()),
                "largest": int(bits.max()),
                "unchanged": float((bits == 0).mean()),
                "beyond_10": float((bits > 10).mean()),
            }
        )
        row = rows[-1]
        print(
            f"| {method} | {row['mean_bits']:.2f} | {row['largest']} "
            f"| {row['unchanged']:.0%} | {row['beyond_10']:.1%} |",
            flush=True,
        )
    exact, draft = (np.concatenate(encode("CNN", d)) for d in (False, True))
    cosine = (exact * draft).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(draft, axis=1)
    least, mean = float(cosine.min()), float(cosine.mean())
    rows.append({"method": "CNN", "least_cosine": least, "mean_cosine": mean})
    print(f"\nCNN: cosine similarity {least:.4f} at least, {mean:.5f} on average")
    save("draft", rows, images=options.images)


if __name__ == "__main__":
    main()
