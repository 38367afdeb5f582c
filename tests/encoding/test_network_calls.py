"""A network is compiled for few sizes of a call."""

import jax
import numpy as np

from jaxdedup.encoding import METHODS
from jaxdedup.encoding._features import NetworkCalls


def test_one_program_of_mobilenet_for_any_number_of_images() -> None:
    calls = NetworkCalls(METHODS["cnn"])
    images = np.random.default_rng(0).integers(0, 256, (19, 224, 224, 3), np.uint8)
    device = jax.devices("cpu")[0]
    all_rows = calls(images, 19, device, None)
    for count in (1, 13):
        np.testing.assert_allclose(calls(images, count, device, None), all_rows[:count], atol=1e-5)
    assert len(calls._run._compiled) == 1
