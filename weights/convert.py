"""Turns MobileNet V1 weights of any known format into our safetensors file.

    python weights/convert.py SOURCE [mobilenet_v1_1.0_224.safetensors]

See SOURCES.md for where the shipped file comes from.
"""

import argparse
import hashlib
from pathlib import Path

from safetensors.numpy import save_file

from jaxdedup.mobilenet.sources import load_tensors

SHIPPED = Path(__file__).with_name("mobilenet_v1_1.0_224.safetensors")


def main() -> None:
    """Converts the file named on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("source", type=Path, help="frozen graph .pb, Keras .h5, or safetensors")
    parser.add_argument("target", type=Path, nargs="?", default=SHIPPED)
    arguments = parser.parse_args()
    save_file(load_tensors(arguments.source), arguments.target)
    for path in (arguments.source, arguments.target):
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path)


if __name__ == "__main__":
    main()
