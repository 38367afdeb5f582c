"""The constants of a TensorFlow frozen graph, read without TensorFlow.

A frozen graph is one `GraphDef` message whose weights are `Const` nodes. The field numbers below
are those of tensorflow/core/framework: graph.proto, node_def.proto, attr_value.proto, tensor.proto,
tensor_shape.proto and types.proto.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_GRAPH_NODE = 1
_NODE_NAME, _NODE_OP, _NODE_ATTR = 1, 2, 5
_KEY, _VALUE = 1, 2  # of every protobuf map entry
_ATTR_TENSOR = 8
_TENSOR_DTYPE, _TENSOR_SHAPE, _TENSOR_CONTENT = 1, 2, 4
_SHAPE_DIM, _DIM_SIZE = 2, 1

_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 6: "i1", 9: "<i8", 14: "<u2", 19: "<f2"}

# A parsed message: field number -> its values, an int for a varint, else the field's bytes.
_Message = dict[int, list[Any]]


def read_constants(graph: bytes) -> dict[str, NDArray[np.generic]]:
    """Returns the constants of a serialised `GraphDef` that hold raw bytes, by name.

    TensorFlow keeps single numbers and strings in other fields; those are left out. (bfloat16, type
    14, is returned as its bits.)

    Raises:
        ValueError: if the bytes are not a `GraphDef` or are cut short.
    """
    try:
        nodes = [_parse(node) for node in _parse(memoryview(graph))[_GRAPH_NODE]]
        return dict(_constant(node) for node in nodes if _holds_bytes(node))
    except (IndexError, KeyError, TypeError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(
            "expected a TensorFlow frozen graph, got a damaged or foreign file"
        ) from error


def _holds_bytes(node: _Message) -> bool:
    return bytes(node[_NODE_OP][0]) == b"Const" and _TENSOR_CONTENT in _tensor(node)


def _tensor(node: _Message) -> _Message:
    attributes = {bytes(a[_KEY][0]): a[_VALUE][0] for a in map(_parse, node[_NODE_ATTR])}
    return _parse(_parse(attributes[b"value"])[_ATTR_TENSOR][0])


def _constant(node: _Message) -> tuple[str, NDArray[np.generic]]:
    tensor = _tensor(node)
    dims = _parse(tensor[_TENSOR_SHAPE][0]).get(_SHAPE_DIM, [])
    shape = [_parse(dim).get(_DIM_SIZE, [0])[0] for dim in dims]
    values = np.frombuffer(tensor[_TENSOR_CONTENT][0], _DTYPES[tensor[_TENSOR_DTYPE][0]])
    return bytes(node[_NODE_NAME][0]).decode(), values.reshape(shape)


def _parse(message: memoryview) -> _Message:
    """Reads one level of protobuf's wire format."""
    fields: _Message = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        value: Any
        if wire_type == 0:
            value, at = _varint(message, at)
        else:
            if wire_type == 2:
                size, at = _varint(message, at)
            else:
                size = {1: 8, 5: 4}[wire_type]
            value = message[at : at + size]
            at += size
        fields.setdefault(number, []).append(value)
    if at != len(message):
        raise ValueError("a field reaches beyond the end of its message")
    return fields


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Returns the variable-length integer that starts at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
