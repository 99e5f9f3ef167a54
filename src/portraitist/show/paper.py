"""What the drawn sheets share: paper, colours, type, pictures with round corners. Knows no sheet."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from portraitist.images import to_pil
from portraitist.types import Picture

WIDTH = 1600
MARGIN = 64
GAP = 20
CORNER = 12
PAPER, INK, FAINT, RULE, ACCENT = "#f7f4ee", "#23201c", "#8a8278", "#ddd6ca", "#a4502e"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def font(size: int) -> Font:
    """The bundled font at a size in pixels."""
    return ImageFont.load_default(size)


def write(pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: str, width: int) -> None:
    """One line of text, cut with an ellipsis where it is longer than `width` pixels."""
    face = font(size)
    if pen.textlength(text, font=face) > width:
        while text and pen.textlength(text + "…", font=face) > width:
            text = text[:-1]
        text = text.rstrip() + "…"
    pen.text(place, text, font=face, fill=colour)


def wrap(text: str, size: int, width: int, most: int) -> list[str]:
    """The text in lines of at most `width` pixels, at most so many; the last one may be cut by `write`."""
    face, lines, words = font(size), [""], text.split()
    for number, word in enumerate(words):
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or face.getlength(longer) <= width:
            lines[-1] = longer
        elif len(lines) == most:
            lines[-1] = " ".join([lines[-1], *words[number:]])
            break
        else:
            lines.append(word)
    return [line for line in lines if line]


def printable(text: str) -> str:
    """What the bundled font can print: it has no letters beyond Latin, which would come out as boxes."""
    return "".join(letter for letter in text if ord(letter) < 0x250 or letter in "…–—·×").strip()


def paste(image: Image.Image, picture: Picture, cell: tuple[int, int, int, int]) -> tuple[int, int, float]:
    """Draw the picture whole, with round corners, standing on the lower edge of its cell (left, top, width, height).

    Returns where its upper left corner is and by what factor it was scaled.
    """
    left, top, width, height = cell
    factor = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    mask = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), CORNER * 4, fill=255)
    place = (left + (width - size[0]) // 2, top + height - size[1])
    scaled = to_pil(picture).resize(size, Image.Resampling.LANCZOS)
    image.paste(scaled, place, mask.resize(size, Image.Resampling.LANCZOS))
    return (*place, factor)
