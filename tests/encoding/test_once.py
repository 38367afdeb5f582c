"""What is made of a method once: by one thread, and no longer than a network of the user's own."""

import gc
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

from jaxdedup.encoding import METHODS, CustomModel, Recipe, custom_method, encode, network_method
from jaxdedup.encoding._once import once_a_method


class Model:
    def __call__(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(images).mean((1, 2))


@pytest.mark.parametrize("has_transform", [False, True])
def test_a_network_of_the_users_own_is_freed(has_transform: bool) -> None:
    model = Model()
    if has_transform:
        recipe = Recipe(custom_method(CustomModel("mine", model, np.asarray)))
    else:
        recipe = Recipe(network_method(model, image_size=8))
    image = np.full((9, 9, 3), 255, np.uint8)
    (found,) = encode([("a", image)], recipe)
    assert len(set(found.row)) == 1
    alive = weakref.ref(model)
    if not has_transform:
        pickle.dumps(recipe)  # without what was made of it
    del model, recipe
    gc.collect()
    assert alive() is None


def test_threads_that_ask_at_once_share_one() -> None:
    together = threading.Barrier(3, timeout=0.2)
    made = []

    @once_a_method(most=2)
    def make(method: object, number: int) -> object:
        with suppress(threading.BrokenBarrierError):
            together.wait()
        made.append(object())
        return made[-1]

    methods = [METHODS["ahash"], network_method(Model(), image_size=8)]
    for method in methods:
        with ThreadPoolExecutor(3) as threads:
            found = list(threads.map(lambda _, method=method: make(method, 1), range(3)))
        assert found == [made[-1]] * 3
    assert len(made) == 2
