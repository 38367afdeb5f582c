"""What changed in Pillow's pixels over its versions, as data."""

from typing import Literal, NamedTuple, get_args

Profile = Literal["pillow13", "pillow9", "pillow6"]


class Rules(NamedTuple):
    """The two points in which Pillow versions differ."""

    luma_bias: int  # added before the shift of the luma formula: rounds, or truncates
    may_go_vertical_first: bool  # resizes run the cheaper pass first, or always the horizontal one


_RULES: dict[str, Rules] = {
    "pillow13": Rules(luma_bias=32768, may_go_vertical_first=True),  # 13.0 and later
    "pillow9": Rules(luma_bias=32768, may_go_vertical_first=False),  # 7.0 to 12.1
    "pillow6": Rules(luma_bias=0, may_go_vertical_first=False),  # up to 6.2
}
assert tuple(_RULES) == get_args(Profile)


def rules(profile: str) -> Rules:
    """The rules of a profile; ValueError lists the known names."""
    if profile not in _RULES:
        raise ValueError(f"expected a profile among {', '.join(_RULES)}, got {profile!r}")
    return _RULES[profile]
