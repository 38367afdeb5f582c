"""uint8 images: exact LANCZOS resize and luma, as Pillow computes them."""

from ._any_size import PackedForm, packed_form
from ._checks import checked_images
from ._host import luma_on_host, pillow_resizes_as_planned, resize_on_host
from ._lanczos import (
    Windows,
    vertical_first,
    windows,
)
from ._luma import rgb_to_luma, weigh_channels
from ._plan import LONGEST, untouched
from ._platform import by_platform, form_on_cpu
from ._profiles import Profile
from ._resize import resize

__all__ = [
    "LONGEST",
    "PackedForm",
    "Profile",
    "Windows",
    "by_platform",
    "checked_images",
    "form_on_cpu",
    "luma_on_host",
    "packed_form",
    "pillow_resizes_as_planned",
    "resize",
    "resize_on_host",
    "rgb_to_luma",
    "untouched",
    "vertical_first",
    "weigh_channels",
    "windows",
]
