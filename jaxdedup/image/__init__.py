"""uint8 images: exact LANCZOS resize and luma, as Pillow computes them."""

from ._host import luma_on_host, pillow_resizes_as_planned, resize_on_host
from ._lanczos import (
    AxisWeights,
    ResizeWeights,
    Windows,
    bucket_shape,
    plan_resize,
    vertical_first,
    windows,
)
from ._luma import rgb_to_luma, weigh_channels
from ._packed import PackedForm, packed_form
from ._profiles import Profile
from ._resize import resize, resize_padded

__all__ = [
    "AxisWeights",
    "PackedForm",
    "Profile",
    "ResizeWeights",
    "Windows",
    "bucket_shape",
    "luma_on_host",
    "packed_form",
    "pillow_resizes_as_planned",
    "plan_resize",
    "resize",
    "resize_on_host",
    "resize_padded",
    "rgb_to_luma",
    "vertical_first",
    "weigh_channels",
    "windows",
]
