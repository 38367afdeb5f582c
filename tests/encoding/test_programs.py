"""Whichever path serves, the rows are the same, and programs are few.

Programs are counted by JAX's own events, in processes of their own.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxdedup import whash
from jaxdedup.encoding import METHODS, Recipe, _programs, encode, oriented
from jaxdedup.image import resize
from tests.pictures import crops

ROOT = Path(__file__).parents[2]
START = """
import json, sys
import jax
programs = 0
def count(event, seconds, **_):
    global programs
    programs += event.endswith("backend_compile_duration")
jax.monitoring.register_event_duration_secs_listener(count)
import numpy as np
from PIL import Image
from jaxdedup.encoding import METHODS, Encodings, Recipe, encode
from jaxdedup.loading import Folder

def hashes(method, profile="pillow13", items=None, **options):
    recipe = Recipe(METHODS[method], profile)
    return dict(Encodings.collect(encode(items or Folder(sys.argv[1]), recipe, **options), recipe))

found = {}
"""
END = """
import threading
for thread in threading.enumerate():
    if thread.name == "jaxdedup-compile":
        thread.join()
print(json.dumps([found, programs]))
"""


def run(code: str, folder: Path, **variables: str) -> Any:
    """What the code has found, and how many programs were compiled."""
    code = START + code + END
    done = subprocess.run(
        [sys.executable, "-c", code, os.fspath(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def expected(reference_hashes: Any, method: str, profile: str = "pillow13") -> dict[str, str]:
    rows = reference_hashes[profile].items()
    return {name: row[method] for name, row in rows if row[method] is not None}


def test_one_program_serves_all_sizes(reference_images: Path, reference_hashes: Any) -> None:
    """As far as files were decoded as now in old Pillows: by another decoder of JPEG and WEBP."""
    code = """
for method, profile in {"phash": "pillow9", "dhash": "pillow6", "whash": "pillow13"}.items():
    found[method] = profile, hashes(method, profile)
"""
    found, programs = run(code, reference_images, JAXDEDUP_FORM="program")
    assert programs == 3  # that of ahash, below, is the fourth
    for method, (profile, rows) in found.items():
        for name, row in expected(reference_hashes, method, profile).items():
            if profile != "pillow6" or not name.endswith((".jpg", ".webp", "named_png.png")):
                assert rows[name] == row, name


def test_a_pillow_that_resizes_otherwise_is_noticed(
    reference_images: Path, reference_hashes: Any
) -> None:
    code = """
resize = Image.Image.resize
def falsified(self, size, *arguments):
    pixels = np.asarray(resize(self, size, *arguments)).copy()
    pixels[0, 0] ^= 1
    return Image.fromarray(pixels)
Image.Image.resize = falsified
found = hashes("ahash")
"""
    found, programs = run(code, reference_images)
    assert programs == 1
    assert found == expected(reference_hashes, "ahash")


def test_few_images_need_no_program_and_many_are_worth_one(
    reference_images: Path, reference_hashes: Any
) -> None:
    """It is compiled in the background, and takes over when it is there."""
    code = """
few = {method: hashes(method) for method in ("phash", "ahash", "dhash", "whash")}
found["few"] = programs, few

from skimage import data
picture = data.astronaut().repeat(2, axis=0).repeat(2, axis=1)
images = [picture[n % 7 :, n % 50 :] for n in range(80)]

class Stream:  # eighty of a thousand images, as far as anybody knows
    def __iter__(self):
        return iter(enumerate(images))

    def __length_hint__(self):
        return 1000

found["alone"] = [hashes("phash", items=[(n, images[n])])[n] for n in range(0, 80, 8)]
rows = hashes("phash", items=Stream())
found["together"] = [rows[n] for n in range(0, 80, 8)]
found["count"] = len(rows)
"""
    found, programs = run(code, reference_images)
    before, few = found["few"]
    assert (before, programs) == (0, 1)
    for method, rows in few.items():
        assert rows == expected(reference_hashes, method)
    assert found["together"] == found["alone"]
    assert found["count"] == 80


def test_every_device_takes_whole_batches(reference_images: Path, reference_hashes: Any) -> None:
    code = """
jax.config.update("jax_num_cpu_devices", 2)
found = [hashes("ahash", batch_size=3), len(jax.local_devices())]
"""
    found, programs = run(code, reference_images, JAXDEDUP_FORM="program")
    assert found == [expected(reference_hashes, "ahash"), 2]
    assert programs == 2


def test_what_a_device_has_no_room_for_is_halved(
    reference_images: Path, reference_hashes: Any
) -> None:
    code = """
import logging
run = jax.stages.Compiled.__call__
def with_little_memory(self, *arguments):
    if max(leaf.nbytes for leaf in jax.tree.leaves(arguments)) > 20 << 20:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
    return run(self, *arguments)
jax.stages.Compiled.__call__ = with_little_memory
told = []
logging.getLogger("jaxdedup").addFilter(lambda record: told.append(record.getMessage()))
found = [hashes("ahash"), told]
"""
    (found, told), programs = run(code, reference_images, JAXDEDUP_FORM="gpu")
    assert found == expected(reference_hashes, "ahash")
    assert [line for line in told if "room" in line] == [
        "The device has no room for calls of 64 MB of pixels: they are halved.",
        "The device has no room for calls of 32 MB of pixels: they are halved.",
    ]
    assert programs == 3


@pytest.mark.parametrize("wait", [True, False])
def test_a_program_is_compiled_here_where_no_thread_can_be_started(
    wait: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    program = _programs._Program(lambda: jax.numpy.negative)
    assert program.get(10**9, 0, wait=wait) is jax.numpy.negative
    assert program.get(0, 0, wait=wait) is jax.numpy.negative


def test_an_unknown_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXDEDUP_FORM", "cuda")
    message = "expected JAXDEDUP_FORM among accelerator, gpu, tpu, host, program, got 'cuda'"
    with pytest.raises(ValueError, match=message):
        _programs.DeviceFunction(METHODS["ahash"], "pillow13")
    with pytest.raises(ValueError, match=message):
        resize(np.zeros((9, 9), np.uint8), (8, 8))


def test_programs_run_where_transfers_and_jit_are_not_wanted(
    reference_images: Path, reference_hashes: Any
) -> None:
    """What is decoded goes to a device on purpose; compiled programs stay what they are."""
    variables = {"JAX_TRANSFER_GUARD": "disallow", "JAX_DISABLE_JIT": "1"}
    found, _ = run(
        "found = hashes('ahash')", reference_images, JAXDEDUP_FORM="program", **variables
    )
    assert found == expected(reference_hashes, "ahash")


@pytest.mark.parametrize("profile", ["pillow13", "pillow6"])
@pytest.mark.parametrize("orientations", ["none", "all"])
def test_images_of_the_size_already_need_no_program(
    orientations: Any, profile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of other sizes, one would be compiled at once."""
    images = [*crops(6, 256, 256, 3), *crops(2, 256, 256, 3)[..., 1]]
    method = oriented(METHODS["whash"], orientations)
    programs: list[int] = []
    monkeypatch.setattr(_programs._Program, "get", lambda *_, **__: programs.append(1))
    recipe = Recipe(method, profile)
    rows = {encoded.key: encoded.row for encoded in encode(enumerate(images), recipe)}
    assert not programs
    turns = 8 if orientations == "all" else 1
    for number, image in enumerate(images):
        turned = [np.rot90(side, n) for side in (image, image[:, ::-1]) for n in range(4)]
        hashes = {whash(some, profile=profile).tobytes() for some in turned[:turns]}
        assert {some.tobytes() for some in rows[number].reshape(turns, 8)} == hashes
    list(encode(enumerate([images[0][:255]] * 8), recipe))
    assert programs
