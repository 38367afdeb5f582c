"""What do the programs for accelerators cost, compiled for them without having one?

    pip install libtpu                  # the compiler for TPU v5e
    pip install "jax[cuda13]"           # the compiler for an H100
    python benchmarks/accelerators.py

For each hash, of arrays of one size and of calls of images of any sizes: the bytes that the kernels
of the compiled program move (what they read and write of the device's memory), its scratch memory,
both as multiples of the images' bytes, its kernels, and the seconds that it takes to compile. For
calls also the bytes sent to the device, tables and unused room included. For the network, of 64
images, the bytes are multiples of what its layers read and write, each once. Nothing is run: the
bits are tested on a CPU, and no figure here is a time of a device.

Two limits of such counting: what is read again and again from a cache counts once, and what a
kernel holds in fast memory, as a TPU's, doesn't count.
"""

import argparse
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # this is no machine with a TPU
os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")  # nor one with a driver for CUDA

import jax
import jax.numpy as jnp
import numpy as np
from _turns import save
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import jaxdedup
from jaxdedup.hashing import (
    HashMethod,
    ahash_method,
    dhash_method,
    pack_bits,
    phash_method,
    whash_method,
)
from jaxdedup.image import packed_form, untouched
from jaxdedup.mobilenet import IMAGE_SIZE, features, load_params
from jaxdedup.mobilenet.architecture import LAYERS
from jaxdedup.mobilenet.modeling import ROUNDED

METHODS = (ahash_method(), dhash_method(), phash_method(), whash_method())
PLATFORMS = {"TPU v5e": "tpu", "H100": "gpu"}
ARRAY = (64, 480, 640, 3)
STREAM = 640  # images whose sides are uniform in 200..1200

H100 = """
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132 fpus_per_core: 128 threads_per_warp: 32
  threads_per_block_limit: 1024 threads_per_core_limit: 2048
  registers_per_block_limit: 65536 registers_per_core_limit: 65536
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  l2_cache_size: 52428800 device_memory_size: 84942979072
  memory_bandwidth: 3352320000000 clock_rate_ghz: 1.98
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


def device(target: str) -> Any:
    """A description of the device; an error says that its compiler is not installed."""
    if target == "TPU v5e":
        return topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2").devices[0]
    options = {"topology": "1x1x1", "target_config": H100}
    return topologies.get_topology_desc(platform="cuda", **options).devices[0]


def targets() -> Iterator[str]:
    """Those whose compilers are installed; of the others it tells."""
    for target in ("TPU v5e", "H100"):
        try:
            device(target)
        except Exception as error:
            print(f"{target}: no compiler here ({str(error).splitlines()[0]})")
        else:
            yield target


def compile_for(target: str, function: Callable[..., jax.Array], *arguments: Any) -> Any:
    """The compiled program, seconds, and CPU seconds. Arguments: pytrees of arrays or shapes."""
    where = NamedSharding(Mesh(np.array([device(target)]), ("device",)), PartitionSpec())
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), arguments
    )
    lowered = jax.jit(function).lower(*shapes)
    wall, cpu = time.perf_counter(), time.process_time()
    compiled = lowered.compile()
    return compiled, time.perf_counter() - wall, time.process_time() - cpu


# An instruction of an optimised program: %name = type operation(operands), attributes
_INSTRUCTION = re.compile(r"\s*(?:ROOT )?%(\S+) = (\(.*?\)|\S+) ([\w-]+)\(([^)]*)\)(.*)")
_ARRAY = re.compile(r"([a-z]+)(\d*)\w*\[([\d,]*)\](\{[^}]*\})?")
_FREE = {"parameter", "constant", "bitcast", "tuple", "get-tuple-element", "iota", "after-all"}


def size_of(kind: str, trips: int) -> int:
    """The bytes of a type, but for what is in fast memory, which layouts mark as space 1.

    Of an array with a slice for each trip of a loop, the loop's kernels touch one slice at a time.
    """
    total = 0
    for _, bits, dims, layout in _ARRAY.findall(kind):
        shape = [int(n) for n in dims.split(",") if n]
        if "S(1)" not in layout:
            sliced = trips if shape and shape[0] == trips else 1
            total += math.prod(shape) * max(int(bits or 8), 8) // 8 // sliced
    return total


def kernels_of(text: str) -> list[int]:
    """The bytes that each kernel moves, in the order in which they run."""
    bodies: dict[str, list[str]] = {}
    body: list[str] = []
    for line in text.splitlines():
        if head := re.match(r"(?:(ENTRY) )?%?(\S+) \(.*\{$", line):
            body = bodies.setdefault(head[1] or head[2], [])
        else:
            body.append(line)

    def called(attributes: str, role: str) -> str:
        return re.findall(rf"{role}=%([^\s,]+)", attributes)[0]

    def trips_of(condition: str) -> int:  # the one constant that a counter is compared with
        (trips,) = re.findall(r" constant\((\d+)\)", "\n".join(bodies[condition]))
        return int(trips)

    def run(name: str, trips: int) -> list[int]:
        moved: list[int] = []
        sizes: dict[str, int] = {}
        for found in filter(None, map(_INSTRUCTION.match, bodies[name])):
            result, kind, operation, operands, attributes = found.groups()
            size = sizes[result] = size_of(kind, trips)
            read = sum(sizes.get(operand, 0) for operand in re.findall(r"%([^\s,]+)", operands))
            if operation == "while":
                count = trips_of(called(attributes, "condition"))
                moved += count * run(called(attributes, "body"), count)
            elif operation in ("call", "conditional"):
                raise ValueError(f"expected a program without calls and branches, got {found[0]}")
            elif operation == "slice-start":
                moved.append(0)
            elif operation == "slice-done":  # which read its part, wherever it has put it
                moved[-1] += size_of(kind.replace("S(1)", ""), trips) + size
            elif operation.endswith("-start"):
                moved.append(read)
            elif operation.endswith("-done"):
                moved[-1] += size
            elif operation in ("slice", "dynamic-slice"):
                moved.append(2 * size)
            elif operation not in _FREE:
                moved.append(read + size)
        return moved

    return run("ENTRY", 1)


def cost(target: str, images: float, function: Callable[..., jax.Array], *arguments: Any) -> dict:
    """The figures, as multiples of the images' bytes where they are of bytes."""
    compiled, seconds, cpu_seconds = compile_for(target, function, *arguments)
    kernels = kernels_of(compiled.as_text())
    memory = compiled.memory_analysis()
    return {
        "moved": sum(kernels) / images,
        "sent": memory.argument_size_in_bytes / images,
        "scratch": memory.temp_size_in_bytes / images,
        "kernels": len(kernels),
        "compile_s": seconds,
        "compile_cpu_s": cpu_seconds,
    }


def array_cost(target: str, method: HashMethod) -> dict:
    images = jax.ShapeDtypeStruct(ARRAY, jnp.uint8)
    return cost(target, math.prod(ARRAY), getattr(jaxdedup, method.name), images)


def call_cost(target: str, method: HashMethod) -> dict:
    """Of the calls that take most images of a folder."""
    form = packed_form(PLATFORMS[target], size=method.size)
    capacity = form.capacities[form.common]
    planner = form.planner(method.size, "pillow13", capacity)

    def run(*arguments: Any) -> jax.Array:
        luma = form.resize(method.size, capacity, "pillow13", *arguments)
        return pack_bits(method.bits(luma))

    decoded = decoded_bytes(planner)
    planner.clear()
    pixels = untouched((planner.buffer_size,), np.uint8)
    return cost(target, decoded, run, *form.arguments(pixels, planner))


def network_cost(target: str, dtype: str) -> dict:
    """Of MobileNet V1, as multiples of its layers' inputs, outputs and kernels."""
    images = jax.ShapeDtypeStruct((64, IMAGE_SIZE, IMAGE_SIZE, 3), jnp.uint8)
    side, layers = IMAGE_SIZE, 0
    for layer in LAYERS:
        small = side // layer.stride
        ins, outs = side * side * layer.kernel[2], small * small * layer.channels
        rounded = jnp.dtype(dtype if layer.name in ROUNDED else "float32").itemsize
        layers += 64 * (rounded * ins + 4 * outs) + rounded * math.prod(layer.kernel)
        side = small
    params = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), load_params())
    return cost(target, layers, partial(features, dtype=dtype), params, images)


def decoded_bytes(planner: Any) -> float:
    """Of the images of a call, on average over the full calls of a stream."""
    rng = np.random.default_rng(0)
    calls, used = [], 0
    for height, width in rng.integers(200, 1201, (STREAM, 2)).tolist():
        if not planner.add(used, height, width, 3):
            calls.append(used)
            used = 0
            planner.clear()
            planner.add(used, height, width, 3)
        used += 3 * height * width
    return float(np.mean(calls))


def shown(row: dict[str, Any]) -> list[Any]:
    return [f"{value:.2f}" if isinstance(value, float) else value for value in row.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", metavar="NAME", default="accelerators")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for target in targets():
        for images, measure in {"64×480×640×3": array_cost, "a call": call_cost}.items():
            for method in METHODS:
                row = {"target": target, "images": images, "method": method.name}
                row |= measure(target, method)
                if not rows:
                    print(*row, sep="\t")
                rows.append(row)
                print(*shown(row), sep="\t")
        for dtype in ("float32", "bfloat16"):
            row = {"target": target, "images": "64 resized", "method": f"cnn, {dtype}"}
            rows.append(row | network_cost(target, dtype))
            print(*shown(rows[-1]), sep="\t")
    save(options.save, rows)


if __name__ == "__main__":
    main()
