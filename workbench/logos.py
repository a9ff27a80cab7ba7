"""An uploaded logo: checked, and drawn anew as a small PNG that holds nothing else."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from typing import IO, Final

from PIL import Image, ImageOps, UnidentifiedImageError

MOST_UPLOADED: Final = 4_000_000
MOST_STORED: Final = 256 * 1024
MOST_PIXELS: Final = 25_000_000
FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP")
SIDES: Final = (256, 192, 128)


class LogoRefused(ValueError):
    """Why a file cannot be a logo, as a sentence for the designer."""


@dataclass(frozen=True, slots=True)
class Logo:
    """PNG bytes, at most 256 KB, and the ETag they are served under."""

    png: bytes = field(repr=False)
    etag: str


def read(upload: IO[bytes]) -> Logo:
    """The logo in an uploaded file. Raises LogoRefused."""
    content = upload.read(MOST_UPLOADED + 1)
    if len(content) > MOST_UPLOADED:
        raise LogoRefused(f"The file is larger than {MOST_UPLOADED // 1_000_000} MB.")
    picture = _opened(content)
    for side in SIDES:
        png = _drawn(picture, side)
        if len(png) <= MOST_STORED:
            return Logo(png=png, etag=hashlib.sha256(png).hexdigest()[:32])
    raise LogoRefused("The picture is still larger than 256 KB when drawn small.")


def _opened(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # A small file may announce a huge picture; Pillow only warns of it.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise LogoRefused("The picture has more than 25 million pixels.")
            picture.load()
            return ImageOps.exif_transpose(picture)
    except UnidentifiedImageError:
        raise LogoRefused("This is no picture to read: use PNG, JPEG, GIF or WebP.") from None
    except LogoRefused:
        raise
    except Exception:
        # Pillow's decoders raise whatever a damaged file leads them to.
        raise LogoRefused("The picture is damaged; export it again as PNG.") from None


def _drawn(picture: Image.Image, side: int) -> bytes:
    small = picture.convert("RGBA")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    clean = Image.new("RGBA", small.size)
    clean.paste(small)
    out = io.BytesIO()
    clean.save(out, format="PNG", optimize=True)
    return out.getvalue()
