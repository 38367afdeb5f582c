"""Files of MobileNet's weights, as TensorFlow, Keras and Hugging Face lay them out."""

import h5py
import numpy as np
from safetensors.numpy import save_file

from jaxdedup.mobilenet.sources import PARTS

NUMBERS = range(1, 14)


def layers(tensors):
    """Google's layer names, with their kernel and BatchNorm."""
    names = ["Conv2d_0"]
    names += [f"Conv2d_{n}_{kind}" for n in NUMBERS for kind in ("depthwise", "pointwise")]
    for name in names:
        kernel = "depthwise_weights" if name.endswith("depthwise") else "weights"
        parts = [tensors[f"MobilenetV1/{name}/BatchNorm/{part}"] for part in PARTS[1:]]
        yield name, tensors[f"MobilenetV1/{name}/{kernel}"], parts


def keras_name(name):
    if name == "Conv2d_0":
        return "conv1"
    _, number, kind = name.split("_")
    return f"conv_{'dw' if kind == 'depthwise' else 'pw'}_{number}"


def keras_h5(path, tensors, top=False):
    """As in mobilenet_1_0_224_tf_no_top.h5, and with its top."""
    with h5py.File(path, "w") as file:
        for google, kernel, batch_norm in layers(tensors):
            name = keras_name(google)
            variable = "depthwise_kernel" if "dw" in name else "kernel"
            file[f"{name}/{name}/{variable}:0"] = kernel
            for part, array in zip(PARTS[1:], batch_norm, strict=True):
                file[f"{name}_bn/{name}_bn/{part}:0"] = array
            file.create_group(f"{name}_relu")
        if top:
            file["conv_preds/conv_preds/kernel:0"] = np.zeros((1, 1, 1024, 1000), np.float32)
            file["conv_preds/conv_preds/bias:0"] = np.zeros(1000, np.float32)


def keras_h5_of_keras_3(path, tensors):
    with h5py.File(path, "w") as file:
        for google, kernel, batch_norm in layers(tensors):
            name = keras_name(google)
            file[f"{name}/{name}/kernel"] = kernel
            for part, array in zip(PARTS[1:], batch_norm, strict=True):
                file[f"{name}_bn/{name}_bn/{part}"] = array


def keras_weights_h5(path, tensors, top=False):
    """As Keras 3 saves it: classes numbered in the order of the model, variables by number."""
    counts = {}

    def numbered(kind):
        count = counts[kind] = counts.get(kind, -1) + 1
        return f"layers/{kind}_{count}/vars" if count else f"layers/{kind}/vars"

    with h5py.File(path, "w") as file:
        file.create_group("vars")
        for google, kernel, batch_norm in layers(tensors):
            kind = "depthwise_conv2d" if "depthwise" in google else "conv2d"
            file[f"{numbered(kind)}/0"] = kernel
            group = numbered("batch_normalization")
            for number, array in enumerate(batch_norm):
                file[f"{group}/{number}"] = array
            file.create_group(numbered("re_lu"))
        if top:
            group = numbered("conv2d")
            file[f"{group}/0"] = np.zeros((1, 1, 1024, 1000), np.float32)
            file[f"{group}/1"] = np.zeros(1000, np.float32)
            file["layers/dropout/seed_generator/vars/0"] = np.zeros(2, np.uint32)


def hugging_face(path, tensors, top=True):
    """As in google/mobilenet_v1_1.0_224's model.safetensors."""
    state = {}
    for number, (name, kernel, batch_norm) in enumerate(layers(tensors)):
        layer = f"mobilenet_v1.layer.{number - 1}" if number else "mobilenet_v1.conv_stem"
        axes = (2, 3, 0, 1) if name.endswith("depthwise") else (3, 2, 0, 1)
        state[f"{layer}.convolution.weight"] = np.ascontiguousarray(kernel.transpose(axes))
        parts = ("weight", "bias", "running_mean", "running_var")
        for part, array in zip(parts, batch_norm, strict=True):
            state[f"{layer}.normalization.{part}"] = array
        state[f"{layer}.normalization.num_batches_tracked"] = np.array(0, np.int64)
    if top:
        state["classifier.weight"] = np.zeros((1001, 1024), np.float32)
        state["classifier.bias"] = np.zeros(1001, np.float32)
    save_file(state, path)


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def const(name, array):
    shape = b"".join(field(2, field(1, size)) for size in array.shape)
    dtype = {"float32": 1, "float64": 2, "int32": 3}[str(array.dtype)]
    tensor = field(1, dtype) + field(2, shape) + field(4, array.tobytes())
    attributes = field(5, field(1, b"dtype") + field(2, field(6, 1)))
    attributes += field(5, field(1, b"value") + field(2, field(8, tensor)))
    return field(1, field(1, name.encode()) + field(2, b"Const") + attributes)


def frozen_graph(path, tensors, top=True):
    """As TensorFlow writes a GraphDef: the weights as constants among other nodes."""
    nodes = [field(1, field(1, b"input") + field(2, b"Placeholder"))]
    nodes += [const(name, array) for name, array in tensors.items()]
    if top:
        nodes.append(const("MobilenetV1/Logits/Conv2d_1c_1x1/biases", np.zeros(1001, np.float32)))
        nodes.append(const("final_training_ops/biases/final_biases", np.zeros(2, np.float32)))
        nodes.append(const("MobilenetV1/Predictions/Reshape/shape", np.zeros(2, np.int32)))
    path.write_bytes(b"".join(nodes) + field(4, field(1, 26)))


def ours(path, tensors):
    save_file(tensors, path)


FORMATS = {
    "ours.safetensors": ours,
    "keras_no_top.h5": keras_h5,
    "keras.h5": lambda path, tensors: keras_h5(path, tensors, top=True),
    "keras_3.h5": keras_h5_of_keras_3,
    "keras_no_top.weights.h5": keras_weights_h5,
    "keras.weights.h5": lambda path, tensors: keras_weights_h5(path, tensors, top=True),
    "hugging_face.safetensors": hugging_face,
    "graph.pb": frozen_graph,
}
