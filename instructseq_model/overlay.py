"""Pictures for people: a perception drawn over the image that it was computed from.

The node, the command line and the demo's report share these functions, so that a picture means the same everywhere:
a tint and an outline for what a mask covers, a legend for the classes of a semantic map, boxes with their scores, the
caption in a strip, and confidence as a heat map from dark blue (0) over green to yellow (1).
"""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from instructseq_model.errors import ImageError
from instructseq_model.perception import Box, Perception

DEFAULT_TINT = (255, 120, 30)
"""RGB of a mask whose colour the model did not paint clearly."""

LEGEND_ROWS = 8
"""A legend names at most this many classes, the largest first."""

# Ten points of the colour map "viridis" (CC0), from 0 to 1: even in lightness, and readable with any colour vision.
_HEAT_POINTS = np.array(
    [
        (68, 1, 84),
        (72, 40, 120),
        (62, 74, 137),
        (49, 104, 142),
        (38, 130, 142),
        (31, 158, 137),
        (53, 183, 121),
        (110, 206, 88),
        (181, 222, 43),
        (253, 231, 37),
    ],
    dtype=np.float32,
)
_INK = (255, 255, 255, 255)
_PANEL = (16, 18, 22, 200)

_Colour = tuple[int, int, int]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def heat_colours() -> NDArray[np.uint8]:
    """The heat map's 256 colours, 256 x 3 uint8: entry i stands for the value i / 255."""
    at = np.linspace(0.0, len(_HEAT_POINTS) - 1, 256)
    channels = [np.interp(at, np.arange(len(_HEAT_POINTS)), _HEAT_POINTS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)  # 256 x 3


def heat_levels(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Values in [0, 1] as levels 0..255 of `heat_colours`; what lies outside is clamped, not-a-number counts as 0.

    Args:
        values: H x W.
    """
    return (np.nan_to_num(values, nan=0.0).clip(0.0, 1.0) * 255.0).round().astype(np.uint8)  # H x W


def heat_map(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Values in [0, 1] as colours.

    Args:
        values: H x W.

    Returns:
        H x W x 3 uint8, RGB.
    """
    colours: NDArray[np.uint8] = heat_colours()[heat_levels(values)]  # H x W x 3
    return colours


def draw_confidence(image: NDArray[np.uint8], values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """The heat map of `values` over the grey image, with a scale from 0 to 1.

    Args:
        image: H x W x 3 uint8, RGB.
        values: H x W, in [0, 1].

    Returns:
        H x W x 3 uint8, RGB.

    Raises:
        ImageError: the image has another shape or type, or the two sizes differ.
    """
    _check(image, values.shape)
    grey = image.astype(np.float32).mean(axis=2, keepdims=True)  # H x W x 1
    picture = Image.fromarray((0.35 * grey + 0.65 * heat_map(values)).astype(np.uint8))
    return _compose(picture, _scale_layer(picture.size))


def draw_perception(
    image: NDArray[np.uint8],
    perception: Perception,
    *,
    legend: bool = True,
    instruction: bool = True,
    seconds: float | None = None,
) -> NDArray[np.uint8]:
    """A perception over its image: tinted and outlined mask, boxes with scores, classes, caption.

    Args:
        image: H x W x 3 uint8, RGB: the image that the perception was computed from.
        perception: what to draw.
        legend: name the classes of a semantic map, with the share of the image that each covers.
        instruction: write the instruction into the upper left corner.
        seconds: that the answer took; written under the instruction with its confidence. None leaves that line out.

    Returns:
        H x W x 3 uint8, RGB, a new array.

    Raises:
        ImageError: the image has another shape or type, or is not of the perception's size.
    """
    width, height = perception.size_wh
    _check(image, (height, width))
    painted = image
    tint = DEFAULT_TINT
    if perception.mask is not None:
        if perception.label_set is not None:
            colours = perception.label_set.all_colours[perception.mask]  # H x W x 3
            inside = perception.mask != perception.label_set.unlabelled
        else:
            tint = _painted_colour(perception)
            colours = np.broadcast_to(np.array(tint, np.uint8), image.shape)
            inside = perception.mask > 0
        painted = _tint(image, colours, inside, _edges(perception.mask))
    picture = Image.fromarray(painted)
    said = [perception.instruction] if instruction and perception.instruction.strip() else []
    measured = [] if seconds is None else [status_line(perception, seconds)]
    return _compose(picture, _notes_layer(picture.size, perception, tint, legend=legend, said=said, measured=measured))


def _check(image: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    """Refuse what cannot be drawn on."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ImageError(f"the image to draw on must be H x W x 3 uint8, got {image.shape} {image.dtype}: convert it")
    if image.shape[:2] != tuple(shape):
        raise ImageError(
            f"the image is {image.shape[1]}x{image.shape[0]} pixels and the result {shape[1]}x{shape[0]}: "
            "pass the image that the result was computed from"
        )


def _painted_colour(perception: Perception) -> _Colour:
    """The colour in which the model painted the object: the one the instruction asked for, if the model listened."""
    if perception.colour_map is None or perception.mask is None or not perception.mask.any():
        return DEFAULT_TINT
    red, green, blue = (int(value) for value in np.median(perception.colour_map[perception.mask > 0], axis=0))
    return (red, green, blue) if max(red, green, blue) >= 96 else DEFAULT_TINT


def _edges(ids: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels on either side of a change of id, H x W; wider in larger images, so that the line stays visible."""
    edges = np.zeros(ids.shape, np.bool_)
    for step in range(1, max(1, round(min(ids.shape) / 300)) + 1):
        across = ids[:, step:] != ids[:, :-step]  # H x (W - step)
        down = ids[step:] != ids[:-step]  # (H - step) x W
        edges[:, step:] |= across
        edges[:, :-step] |= across
        edges[step:] |= down
        edges[:-step] |= down
    return edges


def _tint(
    image: NDArray[np.uint8], colours: NDArray[np.uint8], inside: NDArray[np.bool_], edges: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Blend the colours over the inside; draw the part of the edges that lies inside in the full colour."""
    strength = np.where(inside, np.where(edges, 1.0, 0.5), 0.0).astype(np.float32)[..., None]  # H x W x 1
    return (image * (1.0 - strength) + colours * strength).astype(np.uint8)  # H x W x 3


def _compose(picture: Image.Image, layer: Image.Image) -> NDArray[np.uint8]:
    """Put a half-transparent layer over a picture."""
    return np.array(Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB"))


def _font(size_wh: tuple[int, int]) -> _Font:
    """Pillow's own font (nothing to install), in a size that suits the image."""
    return ImageFont.load_default(size=max(10, round(min(size_wh) / 30)))


def _notes_layer(
    size_wh: tuple[int, int],
    perception: Perception,
    tint: _Colour,
    *,
    legend: bool,
    said: list[str],
    measured: list[str],
) -> Image.Image:
    """Everything that is written or framed: instruction and status, boxes, legend, caption."""
    layer = Image.new("RGBA", size_wh, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    font = _font(size_wh)
    for box in perception.boxes:
        _draw_box(draw, box, tint, font)
    lines = [*_wrapped(draw, said, font, size_wh[0])[:2], *measured]
    if lines:
        _draw_lines(draw, lines, font, top=True)
    if perception.caption is not None:
        lines = _wrapped(draw, [perception.caption or "(no words)"], font, size_wh[0])
        _draw_lines(draw, lines[:4], font, top=False)
    if legend and perception.label_set is not None:
        _draw_legend(draw, legend_rows(perception), font)
    return layer


def legend_rows(perception: Perception) -> list[tuple[str, _Colour, float]]:
    """The classes of a semantic map, largest first, at most `LEGEND_ROWS`: name, RGB colour, share of the image.

    Args:
        perception: a perception; one without a label set has no rows.
    """
    if perception.label_set is None or perception.mask is None:
        return []
    ids, counts = np.unique(perception.mask, return_counts=True)
    colours = perception.label_set.colours
    rows = []
    for index, count in sorted(zip(ids.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1]):
        if index < len(perception.label_set.names):
            red, green, blue = (int(value) for value in colours[index])
            rows.append((perception.label_set.names[index], (red, green, blue), count / perception.mask.size))
    return rows[:LEGEND_ROWS]


def status_line(perception: Perception, seconds: float) -> str:
    """How sure the answer is and how long it took, as in "82% sure, 0.41 s".

    Of boxes and masks the confidence is that of the best box; of a map of classes its mean over the image; of a caption
    the mean probability of its words.
    """
    sure = perception.score
    if perception.boxes:
        sure = perception.boxes[0].score
    elif perception.confidence is not None:
        sure = float(perception.confidence.mean())
    return f"{percent(sure)} sure, {seconds:.2f} s"


def percent(share: float) -> str:
    """A share of the image in words: whole percents, and "<1%" for a little."""
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, colour: _Colour, font: _Font) -> None:
    """A frame with its score in a tag, which moves inside where there is no room above."""
    unit = _line_height(draw, font)
    corners = (box.x1, box.y1, max(box.x1, box.x2 - 1), max(box.y1, box.y2 - 1))
    draw.rectangle(corners, outline=(*colour, 255), width=max(2, unit // 6))
    text = f"{box.score:.2f}"
    top = box.y1 - unit - 4 if box.y1 > 2 * unit else box.y1
    draw.rectangle((box.x1, top, box.x1 + draw.textlength(text, font=font) + 8, top + unit + 4), fill=(*colour, 255))
    ink = (0, 0, 0, 255) if sum(colour) > 380 else _INK
    draw.text((box.x1 + 4, top + 1), text, font=font, fill=ink)


def _draw_lines(draw: ImageDraw.ImageDraw, lines: list[str], font: _Font, *, top: bool) -> None:
    """Lines of text on a dark panel: a tag in the upper left corner, or a strip along the lower edge."""
    width, height = draw.im.size
    unit = _line_height(draw, font)
    tall = unit * len(lines) + 8
    wide = max(draw.textlength(line, font=font) for line in lines) + 14
    upper = 0 if top else height - tall
    draw.rectangle((0, upper, wide if top else width, upper + tall), fill=_PANEL)
    for row, line in enumerate(lines):
        draw.text((7, upper + 3 + row * unit), line, font=font, fill=_INK)


def _draw_legend(draw: ImageDraw.ImageDraw, rows: list[tuple[str, _Colour, float]], font: _Font) -> None:
    """Swatches and names in the lower left corner."""
    if not rows:
        return
    height = draw.im.size[1]
    unit = _line_height(draw, font)
    texts = [f"{name}  {percent(share)}" for name, _, share in rows]
    wide = unit + 18 + max(draw.textlength(text, font=font) for text in texts)
    upper = height - unit * len(rows) - 8
    draw.rectangle((0, upper, wide, height), fill=_PANEL)
    for row, (text, (_, colour, _)) in enumerate(zip(texts, rows, strict=True)):
        line = upper + 4 + row * unit
        draw.rectangle((7, line + 2, 7 + unit - 5, line + unit - 3), fill=(*colour, 255))
        draw.text((unit + 10, line - 1), text, font=font, fill=_INK)


def _scale_layer(size_wh: tuple[int, int]) -> Image.Image:
    """A bar with the colours of 0 to 1, in the lower right corner."""
    layer = Image.new("RGBA", size_wh, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    font = _font(size_wh)
    unit = _line_height(draw, font)
    long, tall = max(48, size_wh[0] // 4), max(6, unit // 2)
    left, upper = size_wh[0] - long - 3 * unit, size_wh[1] - unit - 8
    draw.rectangle((left - 2 * unit, upper - 2, size_wh[0], size_wh[1]), fill=_PANEL)
    bar = Image.fromarray(np.broadcast_to(heat_colours()[None], (tall, 256, 3)).copy()).resize((long, tall))
    layer.paste(bar.convert("RGBA"), (left, upper + (unit - tall) // 2 + 2))
    draw.text((left - unit, upper), "0", font=font, fill=_INK)
    draw.text((left + long + unit // 2, upper), "1", font=font, fill=_INK)
    return layer


def _line_height(draw: ImageDraw.ImageDraw, font: _Font) -> int:
    """Height of one line of text, pixels."""
    upper, lower = draw.textbbox((0, 0), "Åg", font=font)[1::2]
    return round(lower - min(0, upper)) + 3


def _wrapped(draw: ImageDraw.ImageDraw, texts: list[str], font: _Font, width: int) -> list[str]:
    """Lines that fit the width; characters that cannot be shown are replaced."""
    letters = max(8, int((width - 14) / max(1.0, draw.textlength("n", font=font))))
    printable = ["".join(letter if letter.isprintable() else " " for letter in text) for text in texts]
    return [line for text in printable for line in textwrap.wrap(text, letters) or [""]]
