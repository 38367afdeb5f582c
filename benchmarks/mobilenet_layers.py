"""How fast is each layer of MobileNet V1 on the CPU, beside one large matrix product?

    python benchmarks/mobilenet_layers.py

Each layer runs alone, as the program runs it: in its form, on as many images at a time, in a loop,
on each core at once. A product is one without its BatchNorm and ReLU6, which the compiler fuses
with the layer that reads it: that is where they are counted. The large product, of 2048×1024 and
1024×1024 numbers, runs likewise, before the layers and after. The best of the rounds counts.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdedup.devices import ON_ONE_CORE
from jaxdedup.mobilenet import IMAGE_SIZE, load_params
from jaxdedup.mobilenet.architecture import LAYERS, Layer
from jaxdedup.mobilenet.forms import CPU

CORES = os.cpu_count() or 1
HIGHEST = lax.Precision.HIGHEST
LOOP = 20  # times in a call
LARGE = (2048, 1024, 1024)


class Timed(NamedTuple):
    """A layer as it runs."""

    name: str
    images: int
    flops: int  # of an image
    run: Callable[..., jax.Array]
    shapes: tuple[tuple[int, ...], ...]


def layers() -> Iterator[Timed]:
    """The layers of the table, with what is fused with each."""
    side = IMAGE_SIZE
    for number, (layer, weights) in enumerate(zip(LAYERS, load_params(), strict=True)):
        images = next(some for last, some in CPU.stages if number < last)
        assert images is not None
        shape = (images, side, side, layer.kernel[2])
        side //= layer.stride
        flops = 2 * int(np.prod(layer.kernel)) * side**2
        shapes = (shape, *(array.shape for array in weights))
        yield Timed(layer.name, images, flops, as_it_runs(layer), shapes)


def as_it_runs(layer: Layer) -> Callable[..., jax.Array]:
    def run(x: jax.Array, kernel: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
        is_product = not layer.depthwise and layer.kernel[0] == 1
        if layer.depthwise:  # the product's before it
            x = CPU.activated(x, scale, bias)
        x = CPU.of(layer)(x, kernel, stride=layer.stride, precision=HIGHEST)
        return x if is_product else CPU.activated(x, scale, bias)

    return run


def large_product() -> Timed:
    rows, inner, columns = LARGE
    return Timed(
        "large product",
        1,
        2 * rows * inner * columns,
        lambda x, kernel: lax.dot(x, kernel, precision=HIGHEST),
        ((rows, inner), (inner, columns)),
    )


def seconds(timed: Timed, rounds: int) -> float:
    """Of an image, with all cores at work."""
    rng = np.random.default_rng(0)
    arrays = [jnp.asarray(rng.uniform(0, 1, shape), jnp.float32) for shape in timed.shapes]
    out = jax.eval_shape(timed.run, *arrays)

    def repeat(arrays: Any, result: jax.Array) -> jax.Array:
        def again(_: int, both: Any) -> Any:
            arrays, _ = lax.optimization_barrier(both)  # it can't be taken out of the loop
            return arrays, timed.run(*arrays)

        return lax.fori_loop(0, LOOP, again, (arrays, result))[1]

    start = jnp.zeros(out.shape, out.dtype)
    program = jax.jit(repeat).lower(arrays, start).compile(compiler_options=ON_ONE_CORE)
    own = [jax.tree.map(jnp.copy, (arrays, start)) for _ in range(CORES)]
    taken = []
    with ThreadPoolExecutor(CORES) as pool:
        for _ in range(rounds + 1):
            began = time.perf_counter()
            list(pool.map(lambda given: jax.block_until_ready(program(*given)), own))
            taken.append(time.perf_counter() - began)
    return min(taken[1:]) / (LOOP * CORES * timed.images)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", metavar="NAME", default="mobilenet_layers")
    options = parser.parse_args()

    from _turns import save

    large = large_product()
    bounds = [seconds(large, options.rounds)]
    found = {timed: seconds(timed, options.rounds) for timed in layers()}
    bounds.append(seconds(large, options.rounds))
    bound = large.flops / min(bounds)
    whole = sum(found.values())
    rows = []
    print("| layer | images at a time | ms an image | share | GFLOP/s | of the large product |")
    print("|---|---|---|---|---|---|")
    for timed, taken in found.items():
        rate = timed.flops / taken
        print(
            f"| {timed.name} | {timed.images} | {1e3 * taken:.3f} | {taken / whole:.1%} "
            f"| {rate / 1e9:.0f} | {rate / bound:.2f} |"
        )
        rows.append({"layer": timed.name, "images": timed.images, "seconds": taken, "flops": rate})
    print(f"all {1e3 * whole:.2f} ms; the large product {bound / 1e9:.0f} GFLOP/s")
    save(options.save, rows, rounds=options.rounds, large_product=[large.flops / s for s in bounds])


if __name__ == "__main__":
    main()
