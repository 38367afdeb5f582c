"""What changed in Pillow's pixels from version to version, as data."""

from typing import Literal, NamedTuple

Profile = Literal["pillow13", "pillow9", "pillow6"]


class Rules(NamedTuple):
    """The two points in which Pillow's versions differ."""

    luma_bias: int  # added before the shift in the luma formula: it rounds, or it truncates
    may_go_vertical_first: bool  # the pass that saves more work first, or always the horizontal one


_RULES: dict[str, Rules] = {
    "pillow13": Rules(luma_bias=32768, may_go_vertical_first=True),  # 13.0 and later
    "pillow9": Rules(luma_bias=32768, may_go_vertical_first=False),  # 7.0 to 12.1
    "pillow6": Rules(luma_bias=0, may_go_vertical_first=False),  # up to 6.2
}


def rules(profile: str) -> Rules:
    """The rules of a profile; the error for an unknown one lists the known names."""
    if profile not in _RULES:
        raise ValueError(f"expected a profile among {', '.join(_RULES)}, got {profile!r}")
    return _RULES[profile]
