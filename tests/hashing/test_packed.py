"""Packed hashes, hex digits, bits and distances, against NumPy and Python's own integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from jaxdedup import from_hex, hamming_distance, to_bits, to_hex

SHAPES = [(8,), (1, 8), (7, 8), (2, 3, 8), (0, 8), (1,), (5, 3), (4, 32), (2, 128)]


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
    assert np.ravel(digits).tolist() == [
        row.tobytes().hex() for row in hashes.reshape(-1, shape[-1])
    ]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_from_hex_is_inverse(shape: tuple[int, ...]) -> None:
    hashes = packed(*shape)
    digits = to_hex(jnp.asarray(hashes))
    for form in (digits, np.asarray(digits).tolist()):
        back = from_hex(form, bits=8 * shape[-1])
        assert back.dtype == np.uint8
        np.testing.assert_array_equal(back, hashes)


@pytest.mark.parametrize("bits", [1, 3, 4, 7, 8, 9, 42, 44, 47, 64, 65, 144])
def test_bits_that_do_not_fill_a_byte(bits: int) -> None:
    rng = np.random.default_rng(bits)
    numbers = [
        0,
        2**bits - 1,
        *(int(rng.integers(2, size=bits) @ 2 ** np.arange(bits, dtype=object)) for _ in range(9)),
    ]
    hashes = np.array([list(n.to_bytes(-(-bits // 8))) for n in numbers], np.uint8)
    digits = to_hex(hashes, bits=bits)
    assert digits.tolist() == [f"{n:0{-(-bits // 4)}x}" for n in numbers]
    np.testing.assert_array_equal(from_hex(digits, bits=bits), hashes)
    np.testing.assert_array_equal(from_hex(digits), hashes)
    expected = [[c == "1" for c in f"{n:0{bits}b}"] for n in numbers]
    np.testing.assert_array_equal(to_bits(hashes, bits=bits), expected)


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
    [
        ((8,), (8,)),
        ((5, 8), (8,)),
        ((8,), (5, 8)),
        ((5, 1, 8), (1, 4, 8)),
        ((2, 5, 8), (5, 8)),
        ((3, 6), (6,)),
        ((4, 1), (4, 1)),
        ((2, 1, 128), (3, 128)),
    ],
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
    (to_hex, [np.zeros(0, np.uint8)], ValueError, r"shape \(..., b\), b > 0, got \(0,\)"),
    (to_hex, [np.zeros((), np.uint8)], ValueError, r"shape \(..., b\), b > 0, got \(\)"),
    (to_bits, [np.zeros(8, np.float32)], TypeError, "dtype uint8, got float32"),
    (to_bits, [np.zeros((8, 0), np.uint8)], ValueError, r"b > 0, got \(8, 0\)"),
    (from_hex, ["xyz"], ValueError, "3 hex digits, got 'xyz'"),
    (from_hex, [""], ValueError, "hex digits, got ''"),
    (from_hex, ["0x23456789abcdef"], ValueError, "got '0x23456789abcdef'"),
    (from_hex, ["g" * 16], ValueError, "16 hex digits"),
    (from_hex, ["٣" * 16], ValueError, "16 hex digits"),
    (from_hex, [["0" * 16, "0" * 15]], ValueError, "16 hex digits, got '000000000000000'"),
    (from_hex, [["0" * 15, "0" * 16]], ValueError, "15 hex digits, got '0000000000000000'"),
    (from_hex, [b"0" * 16], TypeError, "expected hex strings"),
    (from_hex, [7], TypeError, "expected hex strings"),
    (hamming_distance, ["0" * 16, "0" * 17], ValueError, "one width, got '0{16}' and '0{17}'"),
    (hamming_distance, ["0" * 16, np.zeros(8)], TypeError, "dtype uint8"),
    (hamming_distance, [["00"], np.zeros(9, np.uint8)], ValueError, "got 1 and 9 bytes"),
]
OF_ANOTHER_WIDTH = [
    (to_hex, np.zeros(5, np.uint8), r"shape \(..., 6\) for 42 bits, got \(5,\)"),
    (to_hex, np.uint8([[0] * 6, [4] * 6]), "of 42 bits, got one with a higher bit set"),
    (to_bits, np.zeros((2, 7), np.uint8), r"shape \(..., 6\) for 42 bits, got \(2, 7\)"),
    (from_hex, "0" * 12, "11 hex digits, got '0{12}'"),
    (from_hex, "0" * 10, "11 hex digits, got '0{10}'"),
    (from_hex, "4" + "0" * 10, "of 42 bits, got one with a higher bit set"),
]


@pytest.mark.parametrize(("function", "arguments", "error", "message"), REFUSED)
def test_wrong_arguments(function, arguments: list, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        function(*arguments)


@pytest.mark.parametrize(("function", "argument", "message"), OF_ANOTHER_WIDTH)
def test_bits_of_another_width(function, argument, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(argument, bits=42)
