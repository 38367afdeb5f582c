"""How many images a second does MobileNet V1 encode on the CPU, against the usual frameworks?

    python benchmarks/mobilenet.py --python keras=tf/bin/python torch=torch/bin/python

Everybody gets the same weights (those in weights/), the same float32 arrays in memory, in [-1, 1],
all cores, and the batch size that suits it best. Each framework runs in a process of its own; the
peers (onnxruntime with onnx; keras with tensorflow; torch) may live in environments of their own.
The features are compared before the times are believed. Rounds alternate between the frameworks, so
that a change in the machine's load meets all of them; the best round counts.
"""

import argparse
import copy
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _turns import PAUSE_S, save

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "weights" / "mobilenet_v1_1.0_224.safetensors"
EPSILON = 1e-3
STRIDE_2 = (2, 4, 6, 12)  # of the 13 depthwise layers

BATCH_SIZES = (1, 4, 16, 64)
IMAGES = 64

Run = Callable[[], np.ndarray]
Bind = Callable[[np.ndarray], Run]  # lays a batch out as the framework wants it, untimed


def read_weights() -> dict[str, np.ndarray]:
    """Reads our safetensors file without safetensors, which peers may not have."""
    raw = WEIGHTS.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    return {
        name.removeprefix("MobilenetV1/"): np.frombuffer(
            raw, "<f4", offset=8 + size + entry["data_offsets"][0], count=np.prod(entry["shape"])
        ).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def layers() -> list[tuple[str, np.ndarray, list[np.ndarray], int]]:
    """Name, kernel, BatchNorm (gamma, beta, mean, variance) and stride of the 27 layers."""
    tensors = read_weights()
    names = ["Conv2d_0"]
    names += [f"Conv2d_{n}_{kind}" for n in range(1, 14) for kind in ("depthwise", "pointwise")]
    strided = {"Conv2d_0", *(f"Conv2d_{n}_depthwise" for n in STRIDE_2)}
    return [
        (
            name,
            tensors[f"{name}/{'depthwise_' if name.endswith('depthwise') else ''}weights"],
            [
                tensors[f"{name}/BatchNorm/{part}"]
                for part in ("gamma", "beta", "moving_mean", "moving_variance")
            ],
            2 if name in strided else 1,
        )
        for name in names
    ]


def jaxdedup() -> dict[str, Bind]:
    import jax

    from jaxdedup.mobilenet import features, load_params

    params = jax.block_until_ready(load_params())

    def bind(images: np.ndarray) -> Run:
        placed = jax.block_until_ready(jax.device_put(images))
        return lambda: np.asarray(features(params, placed))

    return {"": bind}


def onnxruntime() -> dict[str, Bind]:
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def constant(name: str, array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    constant("zero", np.float32(0))
    constant("six", np.float32(6))
    x = "images"
    for name, kernel, batch_norm, stride in layers():
        depthwise = name.endswith("depthwise")
        kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        pads = {1: [1, 1, 1, 1], 2: [0, 0, 1, 1]}[stride] if kernel.shape[2] == 3 else [0] * 4
        inputs = [constant(f"{name}/{n}", a) for n, a in zip("gbmv", batch_norm, strict=True)]
        nodes += [
            helper.make_node(
                "Conv",
                [x, constant(f"{name}/k", kernel)],
                [f"{name}/conv"],
                strides=[stride, stride],
                pads=pads,
                group=kernel.shape[0] if depthwise else 1,
            ),
            helper.make_node(
                "BatchNormalization", [f"{name}/conv", *inputs], [f"{name}/norm"], epsilon=EPSILON
            ),
            helper.make_node("Clip", [f"{name}/norm", "zero", "six"], [f"{name}/relu6"]),
        ]
        x = f"{name}/relu6"
    nodes += [
        helper.make_node("GlobalAveragePool", [x], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mobilenet_v1",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["B", 3, 224, 224])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["B", 1024])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = os.cpu_count()
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def bind(images: np.ndarray) -> Run:
        placed = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        return lambda: session.run(None, {"images": placed})[0]

    return {"": bind}


def keras() -> dict[str, Run]:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf

    model = keras.applications.MobileNet(weights=None, include_top=False, pooling="avg")
    for name, kernel, batch_norm, _ in layers():
        number = name.split("_")[1]
        ours = "conv1" if number == "0" else f"conv_{'dw' if 'depth' in name else 'pw'}_{number}"
        model.get_layer(ours).set_weights([kernel])
        model.get_layer(f"{ours}_bn").set_weights(batch_norm)

    def predict(images: np.ndarray) -> Run:
        return lambda: model.predict(images, batch_size=len(images), verbose=0)

    graph = tf.function(lambda x: model(x, training=False))

    def traced(images: np.ndarray) -> Run:
        placed = tf.constant(images)
        return lambda: graph(placed).numpy()

    return {"predict": predict, "graph": traced}


def torch() -> dict[str, Bind]:
    import torch
    from torch import nn

    torch.set_num_threads(os.cpu_count() or 1)
    modules: list[nn.Module] = []
    for name, kernel, (gamma, beta, mean, variance), stride in layers():
        depthwise = name.endswith("depthwise")
        kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        out, _, size, _ = kernel.shape
        if size == 3:
            modules.append(nn.ZeroPad2d(1 if stride == 1 else (0, 1, 0, 1)))
        groups = out if depthwise else 1
        conv = nn.Conv2d(
            kernel.shape[1] * groups, out, size, stride=stride, groups=groups, bias=False
        )
        norm = nn.BatchNorm2d(out, eps=EPSILON)
        conv.weight.data = torch.tensor(kernel)
        norm.weight.data, norm.bias.data = torch.tensor(gamma), torch.tensor(beta)
        norm.running_mean, norm.running_var = torch.tensor(mean), torch.tensor(variance)
        modules += [conv, norm, nn.ReLU6()]
    net = nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()

    def in_format(memory_format: Any) -> Bind:
        placed_net = copy.deepcopy(net).to(memory_format=memory_format)

        def bind(images: np.ndarray) -> Run:
            x = torch.from_numpy(images).permute(0, 3, 1, 2)
            placed = x.contiguous(memory_format=memory_format)

            def run() -> np.ndarray:
                with torch.inference_mode():
                    return placed_net(placed).numpy()

            return run

        return bind

    return {
        "contiguous": in_format(torch.contiguous_format),
        "channels last": in_format(torch.channels_last),
    }


FRAMEWORKS = {f.__name__: f for f in (jaxdedup, onnxruntime, keras, torch)}


def serve(framework: str, images_file: Path, features_file: Path) -> None:
    """Finds the framework's best variant and batch size, then times a round for each line read."""
    images = np.load(images_file)
    runs: dict[str, list[Run]] = {}
    for variant, bind in FRAMEWORKS[framework]().items():
        for size in BATCH_SIZES:
            batches = [bind(images[start : start + size]) for start in range(0, IMAGES, size)]
            runs[", ".join(filter(None, (variant, f"batches of {size}")))] = batches
    seconds = {}
    for name, batches in runs.items():
        batches[0]()  # compiles
        seconds[name] = min(timed(batches) for _ in range(2))
    best = min(seconds, key=seconds.__getitem__)
    np.save(features_file, np.concatenate([run() for run in runs[best]]))
    print(
        json.dumps({"best": best, "rates": {n: IMAGES / s for n, s in seconds.items()}}), flush=True
    )
    for _ in sys.stdin:
        print(timed(runs[best]), flush=True)


def timed(batches: list[Run]) -> float:
    start = time.perf_counter()
    for run in batches:
        run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--python", nargs="*", default=[], metavar="FRAMEWORK=PATH", help="where a peer lives"
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", nargs="*", choices=FRAMEWORKS, default=list(FRAMEWORKS))
    parser.add_argument("--save", metavar="NAME", default="mobilenet")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        framework, images_file, features_file = arguments.serve
        serve(framework, Path(images_file), Path(features_file))
        return
    pythons = dict(entry.split("=", 1) for entry in arguments.python)
    results = measure(arguments.only, pythons, arguments.rounds)
    print_table(results)
    rows = [{"framework": framework, **result} for framework, result in results.items()]
    save(arguments.save, rows, rounds=arguments.rounds, images=IMAGES)


def measure(frameworks: list[str], pythons: dict[str, str], rounds: int) -> dict[str, Any]:
    """Starts a process a framework and lets them run in turns."""
    with tempfile.TemporaryDirectory() as folder:
        images_file = Path(folder, "images.npy")
        images = np.random.default_rng(0).uniform(-1, 1, (IMAGES, 224, 224, 3))
        np.save(images_file, images.astype(np.float32))
        processes, results, features = {}, {}, {}
        for framework in frameworks:
            python = pythons.get(framework, sys.executable)
            files = [str(images_file), f"{folder}/{framework}.npy"]
            processes[framework] = subprocess.Popen(
                [python, __file__, "--serve", framework, *files],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            # Wait for it to settle before the next one starts.
            results[framework] = json.loads(ask(processes[framework], line=None))
            features[framework] = np.load(files[1])
        seconds: dict[str, list[float]] = {framework: [] for framework in frameworks}
        for _ in range(rounds):
            for framework, process in processes.items():
                time.sleep(PAUSE_S)
                seconds[framework].append(float(ask(process, line="go\n")))
        for framework, process in processes.items():
            process.communicate()  # the end of its input ends it
            difference = np.abs(features[framework] - features[frameworks[0]]).max()
            results[framework] |= {
                "images_per_second": IMAGES / min(seconds[framework]),
                "median": IMAGES / float(np.median(seconds[framework])),
                "largest_difference": float(difference),
            }
    return results


def ask(process: "subprocess.Popen[str]", line: str | None) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    if line:
        process.stdin.write(line)
        process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise SystemExit(f"{process.args!r} gave no answer")
    return answer


def print_table(results: dict[str, Any]) -> None:
    ours = next(iter(results.values()))
    print("| framework | best with | images/s | median | we are | features differ by |")
    print("|---|---|---|---|---|---|")
    for framework, result in results.items():
        ratio = ours["images_per_second"] / result["images_per_second"]
        print(
            f"| {framework} | {result['best']} | {result['images_per_second']:.0f} "
            f"| {result['median']:.0f} | {ratio:.2f} times | {result['largest_difference']:.1e} |"
        )


if __name__ == "__main__":
    main()
