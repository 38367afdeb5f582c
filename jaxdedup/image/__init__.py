"""uint8 images on the device: exact LANCZOS resize and luma, as Pillow computes them."""

from ._lanczos import AxisWeights as AxisWeights
from ._lanczos import ResizeWeights as ResizeWeights
from ._lanczos import bucket_shape as bucket_shape
from ._lanczos import plan_resize as plan_resize
from ._lanczos import vertical_first as vertical_first
from ._luma import rgb_to_luma as rgb_to_luma
from ._profiles import Profile as Profile
from ._resize import resize as resize
from ._resize import resize_padded as resize_padded

__all__ = [
    "AxisWeights",
    "Profile",
    "ResizeWeights",
    "bucket_shape",
    "plan_resize",
    "resize",
    "resize_padded",
    "rgb_to_luma",
    "vertical_first",
]
