"""Packed hashes, hex digits, bits and distances, against NumPy and Python's own integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from jaxdedup import from_hex, hamming_distance, to_bits, to_hex

SHAPES = [(8,), (1, 8), (7, 8), (2, 3, 8), (0, 8)]


def packed(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def imagededup_distance(a: str, b: str) -> int:
    """As imagededup counts it."""
    first, second = (bin(int(digits, 16))[2:].zfill(64) for digits in (a, b))
    return int(np.sum([x != y for x, y in zip(first, second, strict=True)]))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_to_hex(shape: tuple[int, ...]) -> None:
    hashes = packed(*shape)
    digits = to_hex(hashes)
    assert np.shape(digits) == shape[:-1]
    assert np.ravel(digits).tolist() == [row.tobytes().hex() for row in hashes.reshape(-1, 8)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_from_hex_is_inverse(shape: tuple[int, ...]) -> None:
    hashes = packed(*shape)
    digits = to_hex(jnp.asarray(hashes))
    for form in (digits, np.asarray(digits).tolist()):
        back = from_hex(form)
        assert back.dtype == np.uint8
        np.testing.assert_array_equal(back, hashes)


def test_strings_are_plain() -> None:
    assert type(to_hex(packed(8))) is str
    assert type(hamming_distance("0" * 16, "f" * 16)) is int


def test_not_contiguous() -> None:
    hashes = packed(6, 16)[::2, ::2]
    assert to_hex(hashes).tolist() == [bytes(row).hex() for row in hashes.tolist()]


def test_upper_case() -> None:
    np.testing.assert_array_equal(from_hex("ABCDEF0123456789"), from_hex("abcdef0123456789"))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_to_bits(shape: tuple[int, ...]) -> None:
    hashes = packed(*shape)
    bits = to_bits(hashes)
    assert bits.dtype == bool
    np.testing.assert_array_equal(bits, np.unpackbits(hashes, axis=-1))
    np.testing.assert_array_equal(np.packbits(bits, axis=-1), hashes)


@pytest.mark.parametrize(
    ("a", "b"),
    [((8,), (8,)), ((5, 8), (8,)), ((8,), (5, 8)), ((5, 1, 8), (1, 4, 8)), ((2, 5, 8), (5, 8))],
    ids=str,
)
def test_hamming_distance(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    first, second = packed(*a), packed(*b, seed=1)
    expected = np.unpackbits(first ^ second, axis=-1).sum(axis=-1, dtype=np.int32)
    for distances in (
        hamming_distance(first, second),
        jax.jit(hamming_distance)(first, second),
        hamming_distance(to_hex(first), jnp.asarray(second)),
    ):
        assert distances.dtype == np.int32
        np.testing.assert_array_equal(distances, expected)


def test_hamming_distance_of_strings() -> None:
    digits = [*to_hex(packed(40, 8)).tolist(), "0" * 16, "f" * 16]
    for a, b in zip(digits, digits[::-1], strict=True):
        assert hamming_distance(a, b) == imagededup_distance(a, b)
    expected = [imagededup_distance(a, digits[0]) for a in digits]
    assert hamming_distance(digits, digits[0]).tolist() == expected
    assert hamming_distance(digits[0], digits).tolist() == expected


def test_distance_to_oneself_and_complement() -> None:
    hashes = packed(100, 8)
    assert not hamming_distance(hashes, hashes).any()
    assert (hamming_distance(hashes, ~hashes) == 64).all()


REFUSED = [
    (to_hex, [np.zeros(8, np.int32)], TypeError, "dtype uint8, got int32"),
    (to_hex, [np.zeros(7, np.uint8)], ValueError, r"shape \(..., 8\), got \(7,\)"),
    (to_hex, [np.zeros((), np.uint8)], ValueError, r"shape \(..., 8\), got \(\)"),
    (to_bits, [np.zeros(8, np.float32)], TypeError, "dtype uint8, got float32"),
    (to_bits, [np.zeros((8, 4), np.uint8)], ValueError, r"shape \(..., 8\), got \(8, 4\)"),
    (from_hex, ["abc"], ValueError, "16 hex digits, got 'abc'"),
    (from_hex, [""], ValueError, "16 hex digits, got ''"),
    (from_hex, ["0x23456789abcdef"], ValueError, "got '0x23456789abcdef'"),
    (from_hex, ["g" * 16], ValueError, "16 hex digits"),
    (from_hex, ["٣" * 16], ValueError, "16 hex digits"),
    (from_hex, [["0" * 16, "0" * 15]], ValueError, "16 hex digits"),
    (from_hex, [b"0" * 16], TypeError, "expected hex strings"),
    (from_hex, [7], TypeError, "expected hex strings"),
    (hamming_distance, ["0" * 16, "0" * 17], ValueError, "16 hex digits"),
    (hamming_distance, ["0" * 16, np.zeros(8)], TypeError, "dtype uint8"),
    (hamming_distance, [np.zeros(8, np.uint8), np.zeros(9, np.uint8)], ValueError, r"got \(9,\)"),
]


@pytest.mark.parametrize(("function", "arguments", "error", "message"), REFUSED)
def test_wrong_arguments(function, arguments: list, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        function(*arguments)
