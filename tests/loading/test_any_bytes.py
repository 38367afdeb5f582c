"""Any bytes become Pillow's pixels or a reason, and nothing else."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxdedup.loading import DecodeError, decode
from tests.damage import FILES, damaged, pillow_pixels

MAGICS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM"]
SETTINGS: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}


@pytest.fixture(autouse=True)
def small_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged header may claim any size: what is larger than this is a bomb to both."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500_000)


def check(content: bytes) -> None:
    expected = pillow_pixels(content)
    if expected is None:
        with pytest.raises(DecodeError) as refused:
            decode(content)
        assert 0 < len(str(refused.value)) <= 300
    else:
        np.testing.assert_array_equal(decode(content), expected)


edits = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=8)


@pytest.mark.filterwarnings("ignore")  # Pillow's own, about damage
@settings(max_examples=300, **SETTINGS)
@given(kind=st.sampled_from(sorted(FILES)), edits=edits, kept=st.floats(0, 1) | st.just(1.0))
def test_damaged_files(kind: str, edits: list[tuple[int, int]], kept: float) -> None:
    check(damaged(FILES[kind], edits, kept))


@settings(max_examples=200, **SETTINGS)
@given(magic=st.sampled_from(MAGICS), rest=st.binary(max_size=200))
@pytest.mark.filterwarnings("ignore")
def test_any_bytes(magic: bytes, rest: bytes) -> None:
    check(magic + rest)
