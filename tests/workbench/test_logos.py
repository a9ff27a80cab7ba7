"""Logos: what is too much is refused by what its first bytes say, before anything is decoded."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from workbench import logos

ROOT = Path(__file__).resolve().parent.parent.parent
MEASURE = """
import re, sys
from pathlib import Path
from workbench import logos

def peak():  # getrusage would begin with what the parent had
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
try:
    png = len(logos.read(open(sys.argv[1], "rb")).png)
except logos.LogoRefused as refused:
    png = str(refused)
print(png, "|", (peak() - before) // 1024)
"""


def picture(
    kind: str = "PNG", size: tuple[int, int] = (40, 30), mode: str = "RGB", **how: Any
) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, format=kind, **how)
    return out.getvalue()


def announced(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says how large it will be, and has no picture in it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b""))


def _chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def peak_of(content: bytes, folder: Path) -> tuple[str, int]:
    """What a process of its own says of it, and by how many MB its memory grew at most."""
    file = folder / "logo"
    file.write_bytes(content)
    command = [sys.executable, "-c", MEASURE, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    said, _, grown = done.stdout.rpartition(" | ")
    return said, int(grown)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGBA"),
        ("PNG", "RGB"),
        ("PNG", "P"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGBA"),
        ("GIF", "P"),
    ],
)
def test_G13_the_largest_logo_takes_little_memory(kind: str, mode: str, tmp_path: Path) -> None:
    said, grown = peak_of(picture(kind, (3_200, 3_100), mode), tmp_path)
    assert said.isdigit(), said
    assert grown < 200, grown  # measured: 90 MB, WebP 161, at 10 million pixels


@pytest.mark.parametrize("size", [(5_000, 5_000), (20_000, 100), (60_000, 60_000), (2**31 - 1, 1)])
def test_G13_a_picture_of_too_many_pixels_is_never_decoded(
    size: tuple[int, int], tmp_path: Path
) -> None:
    said, grown = peak_of(announced(*size), tmp_path)
    assert "million pixels" in said and grown < 20


def test_G13_of_an_animation_only_the_first_picture_is_decoded(tmp_path: Path) -> None:
    frames = [Image.new("P", (1_000, 1_000), number % 256) for number in range(200)]
    out = io.BytesIO()
    frames[0].save(out, format="GIF", save_all=True, append_images=frames[1:])
    said, grown = peak_of(out.getvalue(), tmp_path)
    assert said.isdigit() and grown < 40


def test_G13_an_svg_is_refused_in_a_sentence() -> None:
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'
    with pytest.raises(logos.LogoRefused, match="export it as PNG"):
        logos.read(io.BytesIO(svg))


def test_G13_a_picture_that_breaks_off_is_refused() -> None:
    noise = Image.effect_noise((300, 300), 80)
    for kind in logos.FORMATS:
        out = io.BytesIO()
        noise.save(out, format=kind)
        with pytest.raises(logos.LogoRefused, match="damaged|no picture"):
            logos.read(io.BytesIO(out.getvalue()[:-3000]))


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "I;16"), ("PNG", "LA"), ("PNG", "1"), ("PNG", "L")]
)
def test_every_kind_of_picture_is_drawn(kind: str, mode: str) -> None:
    drawn = logos.read(io.BytesIO(picture(kind, (400, 200), mode)))
    assert Image.open(io.BytesIO(drawn.png)).size == (256, 128)


def test_a_picture_that_was_turned_is_drawn_upright() -> None:
    turned = Image.new("RGB", (400, 200))
    exif = turned.getexif()
    exif[0x0112] = 6
    drawn = logos.read(io.BytesIO(picture_of(turned, exif)))
    assert Image.open(io.BytesIO(drawn.png)).size == (128, 256)


def picture_of(image: Image.Image, exif: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format="JPEG", exif=exif)
    return out.getvalue()
