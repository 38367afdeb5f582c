"""What happens to pictures on their way round: an edit is a function from a picture to a picture.

Sizes of what is laid over a picture are shares of its own, as an application's are.
"""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Picture = Image.Image
Edit = Callable[[Picture], Picture]
LANCZOS, BICUBIC, TURN = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Transpose


def saved(image: Picture, kind: str, quality: int) -> Picture:
    file = io.BytesIO()
    image.save(file, kind, quality=quality)
    return Image.open(file).convert("RGB")


def scaled(image: Picture, x: float, y: float) -> Picture:
    return image.resize((round(image.width * x), round(image.height * y)), LANCZOS)


def cropped(image: Picture, *shares: float) -> Picture:
    """Cut from left, top, right and bottom."""
    (w, h), (left, top, right, bottom) = image.size, shares
    box = (left * w, top * h, w - right * w, h - bottom * h)
    return image.crop(tuple(round(edge) for edge in box))


def rotated(image: Picture, degrees: float) -> Picture:
    return image.rotate(degrees, BICUBIC)


def tinted(image: Picture, *gains: float) -> Picture:
    """Channel by channel, with a gain."""
    return Image.fromarray((255 * np.clip(np.float64(image) / 255 * gains, 0, 1)).astype(np.uint8))


def noisy(image: Picture, sigma: float) -> Picture:
    noise = np.random.default_rng(0).normal(0, sigma, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.float64(image) + noise, 0, 255).astype(np.uint8))


def filtered(image: Picture) -> Picture:
    """Warm, and dark towards the corners."""
    y, x = np.ogrid[-1 : 1 : image.height * 1j, -1 : 1 : image.width * 1j]
    gains = (1 - 0.35 * (x * x + y * y))[..., None] * (1.1, 1.0, 0.85)
    return Image.fromarray(np.clip(np.float64(image) * gains, 0, 255).astype(np.uint8))


def captioned(image: Picture) -> Picture:
    """White letters on a dark bar, in the lower part, as of a meme."""
    image, (w, h) = image.copy(), image.size
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0.78 * h, w, 0.95 * h), fill=(20, 20, 20))
    font = ImageFont.load_default(0.12 * h)
    draw.text((w / 2, 0.865 * h), "when it compiles", "white", font, anchor="mm")
    return image


def watermarked(image: Picture) -> Picture:
    """Letters that are half transparent, nine times."""
    layer = Image.new("L", image.size)
    font = ImageFont.load_default(0.09 * image.height)
    for i in range(9):
        place = ((0.5 + i % 3) / 3 * image.width, (0.5 + i // 3) / 3 * image.height)
        ImageDraw.Draw(layer).text(place, "SAMPLE", 110, font, anchor="mm")
    return Image.composite(Image.new("RGB", image.size, "white"), image, layer)


def stickered(image: Picture) -> Picture:
    """A disc of a quarter of the height, in a corner."""
    image, (w, h) = image.copy(), image.size
    ImageDraw.Draw(image).ellipse((0.7 * w, 0.1 * h, 0.7 * w + h / 4, 0.35 * h), fill=(250, 200, 0))
    return image


def bordered(image: Picture, x: float, y: float, colour: str) -> Picture:
    border = (round(x * image.width), round(y * image.height))
    return ImageOps.expand(image, border, colour)


def screenshot(image: Picture) -> Picture:
    """In the middle of an application's window, saved as JPEG."""
    w, h = image.size
    page = Image.new("RGB", (round(1.2 * w), round(1.5 * h)), (245, 245, 245))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, page.width, 0.15 * h), fill=(40, 60, 90))
    draw.text((0.1 * w, 0.04 * h), "Photos  Albums", "white", ImageFont.load_default(0.07 * h))
    draw.text((0.1 * w, 1.3 * h), "12 likes", "black", ImageFont.load_default(0.07 * h))
    page.paste(image, (round(0.1 * w), round(0.22 * h)))
    return saved(page, "JPEG", 80)


def shared(image: Picture) -> Picture:
    """Cut a little, made smaller and saved again."""
    return saved(scaled(cropped(image, 0.02, 0.02, 0.02, 0.02), 0.5, 0.5), "JPEG", 50)


def enhanced(image: Picture, what: type[ImageEnhance._Enhance], factor: float) -> Picture:
    return what(image).enhance(factor)


def blurred(image: Picture, sigma: float) -> Picture:
    return image.filter(ImageFilter.GaussianBlur(sigma))


# Group by group.
EDITS: dict[str, dict[str, Edit]] = {
    "saved and resized": {
        "JPEG 30": partial(saved, kind="JPEG", quality=30),
        "JPEG 10": partial(saved, kind="JPEG", quality=10),
        "WebP 50": partial(saved, kind="WEBP", quality=50),
        "resize 0.25×": partial(scaled, x=0.25, y=0.25),
        "squeeze to 80 %": partial(scaled, x=0.8, y=1),
        "crop 2 %, resize 0.5×, JPEG 50": shared,
    },
    "colour and light": {
        "grey": lambda image: image.convert("L").convert("RGB"),
        "brighter": partial(enhanced, what=ImageEnhance.Brightness, factor=1.4),
        "contrast": partial(enhanced, what=ImageEnhance.Contrast, factor=1.6),
        "warmer": lambda image: tinted(image, 1.15, 1, 0.75),
        "filter with vignette": filtered,
    },
    "blur and noise": {
        "blur σ 2": partial(blurred, sigma=2),
        "sharpen": lambda image: image.filter(ImageFilter.UnsharpMask(2, 200, 0)),
        "noise σ 30": partial(noisy, sigma=30),
    },
    "laid over": {
        "caption": captioned,
        "watermark": watermarked,
        "sticker": stickered,
    },
    "cut or rotated": {
        "crop 5 % a side": lambda image: cropped(image, *[0.05] * 4),
        "crop 10 % a side": lambda image: cropped(image, *[0.1] * 4),
        "crop 15 % at the left": lambda image: cropped(image, 0.15, 0, 0, 0),
        "rotate 3°": partial(rotated, degrees=3),
        "rotate 10°": partial(rotated, degrees=10),
    },
    "framed": {
        "white border 8 %": partial(bordered, x=0.08, y=0.08, colour="white"),
        "letterbox 15 %": partial(bordered, x=0, y=0.15, colour="black"),
        "screenshot": screenshot,
    },
    "turned": {
        "mirror": lambda image: image.transpose(TURN.FLIP_LEFT_RIGHT),
        "rotate 90°": lambda image: image.transpose(TURN.ROTATE_90),
    },
}
