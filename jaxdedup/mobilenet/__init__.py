"""MobileNet V1 features: the network, its parameters and the formats they come in.

Importing this imports flax; the hash encoders don't need it.
"""

from .architecture import FEATURES as FEATURES
from .architecture import IMAGE_SIZE as IMAGE_SIZE
from .modeling import MobileNet as MobileNet
from .modeling import features as features
from .modeling import preprocess as preprocess
from .params import Weights as Weights
from .params import load_params as load_params
from .sources import complaints as complaints
from .sources import load_tensors as load_tensors
from .sources import read_safetensors as read_safetensors

__all__ = [
    "FEATURES",
    "IMAGE_SIZE",
    "MobileNet",
    "Weights",
    "features",
    "load_params",
    "load_tensors",
    "preprocess",
]
