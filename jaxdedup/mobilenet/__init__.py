"""MobileNet V1 features: the network, its parameters and the formats they come in."""

from typing import TYPE_CHECKING, Any

from .architecture import FEATURES as FEATURES
from .architecture import IMAGE_SIZE as IMAGE_SIZE
from .modeling import features as features
from .modeling import features_on_cpu as features_on_cpu
from .modeling import preprocess as preprocess
from .params import Weights as Weights
from .params import load_params as load_params
from .sources import complaints as complaints
from .sources import load_tensors as load_tensors
from .sources import read_safetensors as read_safetensors

if TYPE_CHECKING:
    from .module import MobileNet as MobileNet

__all__ = [
    "FEATURES",
    "IMAGE_SIZE",
    "MobileNet",
    "Weights",
    "features",
    "features_on_cpu",
    "load_params",
    "load_tensors",
    "preprocess",
]


def __getattr__(name: str) -> Any:
    if name != "MobileNet":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .module import MobileNet  # brings in flax, which nothing else here needs

    return MobileNet
