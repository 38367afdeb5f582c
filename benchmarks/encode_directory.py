"""How many images a second does a folder give, beside imagededup, ImageHash and bare decoding?

    python benchmarks/encode_directory.py --peer-python PEERS/bin/python

The folders are cut from scikit-image's pictures, once, into --work. imagededup and ImageHash run
under --peer-python, an environment in which they are installed (torch is not needed for hashes);
without it they are left out. "decode" is the bound: the same decoder and threads as jaxdedup's,
into the same batches, and nothing after it.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

# The numbers of images keep a round short; imagededup hands out files in chunks of 100 and needs
# at least 300 of them to have work for all cores.
FOLDERS = {"256x256": 2000, "640x480": 800, "4000x3000": 300, "mixed": 800}
METHODS = ("phash", "ahash", "dhash", "whash", "cnn")
CONTESTANTS = ("jaxdedup", "jaxdedup draft", "decode", "imagededup", "ImageHash")
PEERS = ("imagededup", "ImageHash")
NAMES = {"phash": "PHash", "ahash": "AHash", "dhash": "DHash", "whash": "WHash", "cnn": "CNN"}


def jaxdedup(method: str, folder: str, *, draft: bool = False) -> Callable[[], int]:
    from jaxdedup import encoding, loading

    recipe = encoding.Recipe(encoding.METHODS[method], draft=draft)

    def run() -> int:
        encodings, _ = encoding.encode_source(loading.Folder(folder), recipe)
        return len(encodings.to_dict()) + len(encodings.failures)

    return run


def decode(method: str, folder: str) -> Callable[[], int]:
    from jaxdedup import loading
    from jaxdedup.encoding import METHODS, Recipe, decode_batches

    recipe, source = Recipe(METHODS[method]), loading.Folder(folder)

    def run() -> int:
        for _ in decode_batches((item for _, item in source), recipe, lambda batch: None):
            pass
        return len(source)

    return run


def imagededup(method: str, folder: str) -> Callable[[], int]:
    import os
    import types

    if method != "cnn":  # the package imports its CNN, and torch with it; hashes need neither
        names = {
            "imagededup.methods.cnn": ["CNN"],
            "imagededup.utils.models": ["CustomModel", "MobilenetV3", "ViT", "EfficientNet"],
            "imagededup.utils.data_generator": ["img_dataloader"],
        }
        for name, members in names.items():
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(dict.fromkeys(members))
    from imagededup import methods

    encoder = getattr(methods, NAMES[method])(verbose=False)

    def run() -> int:
        encoder.encode_images(folder)
        return len(os.listdir(folder))

    return run


def imagehash(method: str, folder: str) -> Callable[[], int]:
    import os

    import imagehash as library
    from PIL import Image

    function = {
        "phash": library.phash,
        "ahash": library.average_hash,
        "dhash": library.dhash,
        "whash": library.whash,
    }[method]

    def run() -> int:
        names = os.listdir(folder)
        for name in names:
            try:
                with Image.open(f"{folder}/{name}") as image:
                    str(function(image))
            except OSError:
                continue
        return len(names)

    return run


def contest(contestant: str, method: str, folder: str) -> Callable[[], int]:
    logging.disable(logging.WARNING)  # the damaged files of the mixed folder
    if contestant == "jaxdedup draft":
        return jaxdedup(method, folder, draft=True)
    functions = {"jaxdedup": jaxdedup, "decode": decode, "imagededup": imagededup}
    return functions.get(contestant, imagehash)(method, folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", help="the interpreter that has imagededup and ImageHash")
    parser.add_argument("--folders", nargs="+", choices=FOLDERS, default=list(FOLDERS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["phash"])
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=CONTESTANTS)
    parser.add_argument("--times", type=int, default=1, help="as many images, for many cores")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "jaxdedup-bench"))
    parser.add_argument("--save", metavar="NAME", default="encode_directory")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()

    from _turns import save, serve, take_turns

    if options.serve:
        serve(contest(*options.serve))
        return

    from _folders import mixed_folder, uniform_folder

    rows = []
    print("| folder | method | contestant | images/s | jaxdedup is | of decoding | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for name in options.folders:
        count = FOLDERS[name] * options.times
        mixed = name == "mixed"
        folder = (
            mixed_folder(options.work, count)
            if mixed
            else uniform_folder(options.work, name, count)
        )
        for method in options.methods:
            commands = {
                contestant: [
                    options.peer_python if contestant in PEERS else sys.executable,
                    __file__,
                    "--serve",
                    contestant,
                    method,
                    str(folder),
                ]
                for contestant in options.contestants
                if options.peer_python or contestant not in PEERS
                if method != "cnn" or contestant not in PEERS
            }
            results = take_turns(commands, options.rounds)
            ours = results["jaxdedup"]["images_per_second"]
            bound = results.get("decode", {}).get("images_per_second", float("nan"))
            for contestant, row in results.items():
                rate = row["images_per_second"]
                print(
                    f"| {name} | {method} | {contestant} | {rate:.0f} | {ours / rate:.2f} × "
                    f"| {rate / bound:.2f} | {row['peak_mb']:.0f} |",
                    flush=True,
                )
                rows.append({"folder": name, "method": method, "contestant": contestant} | row)
    save(options.save, rows, rounds=options.rounds)


if __name__ == "__main__":
    main()
