"""Makes torchvision.npz: what torchvision makes of ten pictures, with parameters from a seed.

    python -m venv peer && peer/bin/pip install torch torchvision
    peer/bin/python make_torchvision.py

The layers and the preprocessing are torchvision's own; what SSCD's authors put around its
ResNet-50, the generalised mean and the length of 1, is written out here.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
IMAGES = HERE.parent / "data" / "reference" / "images"
PICTURES = [
    *["gray_200x150.png", "gray_256x256.png", "jpeg_444_301x199.jpg", "rgb_200x150.webp"],
    *["rgb_255x257.png", "rgb_320x240.png", "rgb_stars_240x160.png", "rgba_200x150.png"],
    *["tall_100x201.png", "wide_400x100.png"],
]


def random_tensors(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Parameters that keep activations about as large as they are, by PyTorch's names."""
    rng = np.random.default_rng(2019)
    tensors = {}
    for name in sorted(shapes):
        shape = shapes[name]
        if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            values = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            values = rng.normal(0, 0.1, shape)
        else:
            values = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        tensors[name] = values.astype(np.float32)
    return tensors


def picture(name: str) -> Image.Image:
    """As imagededup opens it."""
    with Image.open(IMAGES / name) as image:
        return image.copy() if image.mode == "RGB" else image.convert("RGBA").convert("RGB")


def _models() -> dict[str, Any]:
    import torch
    from torchvision import models

    class MobileNet(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            whole = models.mobilenet_v3_small(weights=None)
            self.features, self.avgpool = whole.features, whole.avgpool

        def forward(self, x: Any) -> Any:
            return self.avgpool(self.features(x)).flatten(1)

    class GeM(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.flatten(2).clamp(min=1e-6).pow(3).mean(2).pow(1 / 3)

    class SSCD(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = models.resnet50(weights=None, num_classes=512)
            self.backbone.avgpool = GeM()

        def forward(self, x: Any) -> Any:
            return torch.nn.functional.normalize(self.backbone(x))

    return {"mobilenet_v3_small": MobileNet(), "sscd": SSCD()}


def _features(name: str, model: Any) -> dict[str, np.ndarray]:
    import torch
    from torchvision.transforms import transforms

    tensors = {key: value for key, value in model.state_dict().items() if value.ndim}
    random = random_tensors({key: tuple(value.shape) for key, value in tensors.items()})
    model.load_state_dict({k: torch.from_numpy(v) for k, v in random.items()}, strict=False)
    resized = {
        "mobilenet_v3_small": [transforms.Resize((256, 256)), transforms.CenterCrop(224)],
        "sscd": [transforms.Resize([320, 320])],
    }
    see = transforms.Compose(resized[name])
    normalise = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    seen = [see(picture(each)) for each in PICTURES]
    hashes = [hashlib.sha256(np.asarray(image).tobytes()).hexdigest() for image in seen]
    with torch.no_grad():
        rows = model.eval()(torch.stack([normalise(image) for image in seen])).numpy()
    return {f"{name}_seen": np.array(hashes), f"{name}_features": rows}


def main() -> None:
    from importlib.metadata import version

    stored: dict[str, Any] = {"made_with": f"torchvision {version('torchvision')}"}
    for name, model in _models().items():
        stored |= _features(name, model)
    np.savez_compressed(HERE / "torchvision.npz", **stored)


if __name__ == "__main__":
    main()
