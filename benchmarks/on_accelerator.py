"""What does an accelerator do with it? To be run on a machine that has one.

    python benchmarks/on_accelerator.py

Everything is on the device before, but where it says otherwise, and compiled before. Ten calls are
queued, on two sets of images in turns that no cache holds, and the last one waited for; the median
of the rounds counts. GB/s are bytes of the images' pixels, read once. Beside the exact hashes
stand the same with ``jax.image.resize`` in float32, which has other bits; and in every row the
answer is compared with the one of this machine's CPU.

"a call" resizes and hashes a mixture of images with sides of 200 to 1,200, as folders are encoded,
from a flat buffer on the device; "sent" takes the buffer from the host's memory. "search" takes
NumPy arrays and answers in NumPy arrays.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _turns import save
from hash_arrays import float_resize, natural_images

import jaxdedup
from jaxdedup import imagehash
from jaxdedup.hashing import HashMethod, ahash_method, pack_bits, phash_method, whash_method
from jaxdedup.image import packed_form
from jaxdedup.mobilenet import IMAGE_SIZE, features, load_params
from jaxdedup.search import cosine_pairs, cosine_top_k, hamming_pairs, hamming_top_k

ROUNDS, QUEUED = 5, 10
SHAPES = {(256, 256): 1024, (480, 640): 256}
SIZES = (375, 501), (211, 61), (37, 53), (1203, 299)
METHODS = ("ahash", "dhash", "phash", "whash")
OTHERS: dict[str, Callable[..., Any]] = {
    "phash, 16": partial(jaxdedup.phash, hash_size=16),
    "imagehash.phash": imagehash.phash,
    "pdq": lambda images: jaxdedup.pdq(images).hash,
}
CALLS = {"ahash": ahash_method(), "phash": phash_method(), "whash": whash_method()}
FLOPS = 1.14e9  # of MobileNet V1, an image
CPU = jax.devices("cpu")[0]

Row = dict[str, Any]


def seconds(function: Callable[[Any], Any], arguments: list[Any]) -> float:
    """Of one of some calls that are queued: compiled before, the median of the rounds."""
    for some in arguments:
        jax.block_until_ready(function(some))
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        answers = [function(arguments[n % len(arguments)]) for n in range(QUEUED)]
        jax.block_until_ready(answers)
        times.append((time.perf_counter() - start) / QUEUED)
    return statistics.median(times)


def first_call(function: Callable[[Any], Any], argument: Any) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function(argument))
    return time.perf_counter() - start


def ceilings() -> Iterator[Row]:
    """How fast the memory copies, and how fast it is filled from the host's."""
    large = jnp.zeros(2**29, jnp.uint32)
    copied = 2 * large.nbytes / 1e9 / seconds(jax.jit(lambda x: ~x), [large])
    yield {"what": "copied, read and written", "gb_per_s": copied}
    host = np.ones(64 << 20, np.uint8)
    yield {"what": "64 MB sent", "gb_per_s": host.size / 1e9 / seconds(jax.device_put, [host])}


def arrays() -> Iterator[Row]:
    for (height, width), count in SHAPES.items():
        some = natural_images(128, height, width)
        images = np.concatenate([some ^ np.uint8(n) for n in range(count // 128)])
        sets = [jnp.asarray(images), jnp.asarray(images[::-1].copy())]
        named = {name: getattr(jaxdedup, name) for name in METHODS} | OTHERS
        contestants = {("jaxdedup", name): function for name, function in named.items()}
        contestants |= {("jax.image.resize", name): float_resize(name) for name in METHODS}
        for (contestant, name), function in contestants.items():
            first = first_call(function, sets[0])
            once = seconds(function, sets)
            expected = named[name](jax.device_put(images[:128], CPU))
            differing = np.unpackbits(np.asarray(function(sets[0]))[:128] ^ np.asarray(expected))
            yield {
                "images": f"{count}×{height}×{width}×3",
                "method": name,
                "contestant": contestant,
                "images_per_second": count / once,
                "gb_per_s": images.size / 1e9 / once,
                "first_call_s": first,
                "bits_differing": int(differing.sum()),
            }


def sizes() -> Iterator[Row]:
    """Of sizes that no power of two divides, only whether the bits are those of the CPU."""
    for height, width in SIZES:
        images = natural_images(16, height, width)
        for name in METHODS:
            function = getattr(jaxdedup, name)
            expected = np.asarray(function(jax.device_put(images, CPU)))
            differing = np.unpackbits(np.asarray(function(jnp.asarray(images))) ^ expected).sum()
            what = {"images": f"{len(images)}×{height}×{width}×3", "method": name}
            yield what | {"bits_differing": int(differing)}


def calls() -> Iterator[Row]:
    for name, method in CALLS.items():
        yield from calls_of(name, method)


def calls_of(name: str, method: HashMethod) -> Iterator[Row]:
    answers = {}
    for device in (CPU, jax.devices()[0]):
        form = packed_form(device.platform, method.size, device)
        capacity = form.capacities[form.common]
        planner = form.planner(method.size, "pillow13", capacity)
        pixels = np.random.default_rng(0).integers(0, 256, planner.buffer_size, np.uint8)
        sides, used, count = np.random.default_rng(1), 0, 0
        while planner.add(used, *(side := sides.integers(200, 1201, 2).tolist()), 3):
            used, count = used + 3 * side[0] * side[1], count + 1
        run = on_tuple(jax.jit(partial(finished, form, method, capacity)))
        arguments = form.arguments(pixels, planner)
        there = jax.device_put(arguments, device)
        first = first_call(run, there)
        answers[device] = np.asarray(run(there))[: count - 1]  # the last may not be in both
        if device == CPU:
            continue
        sent = sent_to(device, run)
        ways = {"a call": (run, there), "a call, sent": (sent, arguments)}
        for way, (function, given) in ways.items():
            once = seconds(function, [given])
            yield {
                "images": f"{way}: {count} of 200–1,200 px",
                "method": name,
                "images_per_second": count / once,
                "gb_per_s": used / 1e9 / once,
                "first_call_s": first,
            }
    fewest = min(map(len, answers.values()))
    if len({rows[:fewest].tobytes() for rows in answers.values()}) > 1:
        raise SystemExit(f"{name}: other bits than on the CPU")


def on_tuple(function: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda arguments: function(*arguments)


def sent_to(device: jax.Device, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda arguments: function(jax.device_put(arguments, device))


def finished(form: Any, method: HashMethod, capacity: Any, *arguments: Any) -> jax.Array:
    return pack_bits(method.bits(form.resize(method.size, capacity, "pillow13", *arguments)))


def network() -> Iterator[Row]:
    images = np.concatenate([natural_images(64, IMAGE_SIZE, IMAGE_SIZE)] * 4)
    params = load_params()
    expected = np.asarray(features(jax.device_put(params, CPU), jax.device_put(images[:16], CPU)))
    for dtype in ("float32", "bfloat16"):
        function = partial(features, params, dtype=dtype)
        sets = [jnp.asarray(images), jnp.asarray(images[::-1].copy())]
        first = first_call(function, sets[0])
        once = seconds(function, sets)
        rows = np.asarray(function(sets[0]))[:16]
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(expected, axis=1)
        yield {
            "images": f"{len(images)}×{IMAGE_SIZE}×{IMAGE_SIZE}×3",
            "method": f"cnn, {dtype}",
            "images_per_second": len(images) / once,
            "tflop_per_s": len(images) * FLOPS / 1e12 / once,
            "first_call_s": first,
            "largest_difference": float(np.abs(rows - expected).max()),
            "least_cosine": float(((rows * expected).sum(1) / lengths).min()),
        }


def searches() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (10**6, 8), np.uint8)
    wide = rng.integers(0, 256, (2 * 10**5, 32), np.uint8)
    rows = rng.standard_normal((10**5, 256), np.float32)
    half = rows[: 5 * 10**4]
    nearest, most_similar = partial(hamming_top_k, k=10), partial(cosine_top_k, k=10)
    cases: dict[str, tuple[Any, ...]] = {
        "hamming_pairs, 10⁶ × 64 bits, 10": (partial(hamming_pairs, max_distance=10), hashes),
        "hamming_pairs, 2·10⁵ × 256 bits, 31": (partial(hamming_pairs, max_distance=31), wide),
        "cosine_pairs, 5·10⁴ × 256, 0.9": (partial(cosine_pairs, min_similarity=0.9), half),
        "hamming_top_k, 100 in 10⁶ × 64 bits": (nearest, hashes[:100], hashes),
        "hamming_top_k, 2,000 in 10⁶ × 64 bits": (nearest, hashes[:2000], hashes),
        "hamming_top_k, 2,000 in 2·10⁵ × 256 bits": (nearest, wide[:2000], wide),
        "cosine_top_k, 100 in 10⁵ × 256": (most_similar, rows[:100], rows),
        "cosine_top_k, 1,000 in 10⁵ × 256": (most_similar, rows[:1000], rows),
    }
    for name, (search, *sides) in cases.items():
        found, times = repeated(search, sides)
        with jax.default_device(CPU):
            expected, on_cpu = repeated(search, jax.device_put(sides, CPU))
        equal = all(map(np.array_equal, found, expected))
        yield {"method": name, **times, "on_cpu_s": on_cpu["seconds"], "equal": equal}


def repeated(search: Callable[..., Any], sides: Sequence[Any]) -> tuple[Any, dict[str, float]]:
    """What is found, and seconds: of the first, which compiles, and the median of others."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        found = search(*sides)
        times.append(time.perf_counter() - start)
    return found, {"seconds": statistics.median(times[1:]), "first_call_s": times[0]}


PARTS = {
    "ceilings": ceilings,
    "arrays": arrays,
    "sizes": sizes,
    "calls": calls,
    "network": network,
    "searches": searches,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--save", metavar="NAME", default="on_accelerator")
    options = parser.parse_args()
    rows = []
    for part in options.parts:
        for row in PARTS[part]():
            rows.append({"part": part} | row)
            print(*(f"{v:.4g}" if isinstance(v, float) else v for v in row.values()), sep="\t")
            save(options.save, rows)


if __name__ == "__main__":
    main()
