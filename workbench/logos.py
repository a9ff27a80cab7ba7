"""An uploaded logo: checked, and drawn anew as a small PNG that holds nothing else.

The size stands in a picture's first bytes, and is checked there: 25 million pixels are 300 MB once
they are decoded. Only the first picture of an animation is decoded, and one picture at a time in a
process.
"""

from __future__ import annotations

import hashlib
import io
import threading
import warnings
from dataclasses import dataclass, field
from typing import IO, Any, Final

from PIL import Image, ImageOps, UnidentifiedImageError

MOST_UPLOADED: Final = 4_000_000
MOST_STORED: Final = 256 * 1024
MOST_PIXELS: Final = 10_000_000
LONGEST_SIDE: Final = 10_000
FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP")
SIDES: Final = (256, 192, 128)
_AS_THEY_ARE: Final = ("L", "RGB", "RGBA", "CMYK", "YCbCr")
"""Modes that can be made smaller without being converted first, which takes a copy."""
_one_at_a_time = threading.Lock()


class LogoRefused(ValueError):
    """Why a file cannot be a logo, as a sentence for the designer."""


@dataclass(frozen=True, slots=True)
class Logo:
    """PNG bytes, at most 256 KB, and the ETag they are served under."""

    png: bytes = field(repr=False)
    etag: str


def posted(files: Any) -> Logo | LogoRefused | None:
    """The logo among the files of a form, or why it cannot be one; None where there is none.

    For views to ask before a transaction begins: drawing takes up to a second.
    """
    upload = files.get("logo")
    if upload is None:
        return None
    try:
        return read(upload)
    except LogoRefused as refused:
        return refused


def read(upload: IO[bytes]) -> Logo:
    """The logo in an uploaded file. Raises LogoRefused."""
    upload.seek(0)
    content = upload.read(MOST_UPLOADED + 1)
    if len(content) > MOST_UPLOADED:
        raise LogoRefused(f"The file is larger than {MOST_UPLOADED // 1_000_000} MB.")
    if b"<svg" in content[:2000].lower():
        raise LogoRefused("An SVG may hold scripts, so it is not taken: export it as PNG.")
    with _one_at_a_time:
        picture = _opened(content)
    for side in SIDES:
        png = _drawn(picture, side)
        if len(png) <= MOST_STORED:
            return Logo(png=png, etag=hashlib.sha256(png).hexdigest()[:32])
    raise LogoRefused("The picture is still larger than 256 KB when drawn small.")


def _opened(content: bytes) -> Image.Image:
    """The picture, decoded once, at the largest size that is stored."""
    try:
        with warnings.catch_warnings():
            # A small file may announce a huge picture; Pillow only warns of it.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                _check_size(*picture.size)
                return _small(picture)
    except UnidentifiedImageError:
        raise LogoRefused("This is no picture to read: use PNG, JPEG, GIF or WebP.") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise LogoRefused(_TOO_LARGE) from None
    except LogoRefused:
        raise
    except Exception:
        # Pillow's decoders raise whatever a damaged file leads them to.
        raise LogoRefused("The picture is damaged; export it again as PNG.") from None


_TOO_LARGE: Final = (
    f"The picture has more than {MOST_PIXELS // 1_000_000} million pixels, or a side of more than"
    f" {LONGEST_SIDE:,}: make it smaller."
)


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise LogoRefused(_TOO_LARGE)


def _small(picture: Image.Image) -> Image.Image:
    side = SIDES[0]
    # A JPEG is decoded at an eighth of its size, if that is enough; others know no such way.
    picture.draft(None, (2 * side, 2 * side))
    picture.load()
    small: Image.Image = picture
    if picture.mode not in _AS_THEY_ARE or "transparency" in picture.info:
        small = picture.convert("RGBA")
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    small = ImageOps.exif_transpose(small)
    return small.convert("RGBA")


def _drawn(picture: Image.Image, side: int) -> bytes:
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    clean = Image.new("RGBA", small.size)
    clean.paste(small)
    out = io.BytesIO()
    clean.save(out, format="PNG", optimize=True)
    return out.getvalue()
