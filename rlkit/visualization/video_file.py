"""Writing of video files, and captions on frames."""

import math
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rlkit.core.errors import UserError, first_line

SMALLEST = 6  # smallest readable text size [pixels]
GIF_WIDTH, GIF_FPS = 320, 10


@contextmanager
def video_writer(path: Path, fps: float) -> Iterator[Any]:
    """Open an MP4 file (H.264) that takes frames [height, width, 3] of uint8 by `append_data`.

    The file appears once it is complete.

    Raises:
        UserError: the file cannot be written.
    """
    partial = path.with_name(f".{path.stem}.partial.mp4")
    try:
        with imageio.get_writer(
            partial, format="FFMPEG", fps=fps, codec="libx264", quality=7, macro_block_size=16
        ) as writer:
            yield writer
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({first_line(error)})") from error
    finally:
        partial.unlink(missing_ok=True)


def film_as_gif(path: Path) -> tuple[bytes, int, int]:
    """Convert a video to a small GIF; returns its bytes, height and width in pixels.

    It is `GIF_WIDTH` pixels wide and has `GIF_FPS` images per second, at the video's own speed.

    Raises:
        OSError: the video cannot be read.
    """
    small = f"fps={GIF_FPS},scale={GIF_WIDTH}:-2,split[a][b];[a]palettegen[p];[b][p]paletteuse"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-vf", small]
    done = subprocess.run([*command, "-f", "gif", "-"], capture_output=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{path}: {done.stderr.decode(errors='replace').strip()}")
    with Image.open(BytesIO(done.stdout)) as gif:
        return done.stdout, gif.height, gif.width


def captioned(frame: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Add a dark band with lines of text above a frame.

    Args:
        frame: [height, width, 3] of uint8.
        lines: the text, made smaller if a line is too long for the width.
    Returns:
        The frame with its band, whose height, a multiple of 16, depends only on the number of lines
        and the width.
    """
    width = frame.shape[1]
    size = max(11, width // 30)
    margin, spacing = size // 2, int(1.35 * size)
    height = 16 * math.ceil((spacing * len(lines) + margin) / 16)
    font = ImageFont.load_default(size)
    while size > SMALLEST and max(font.getlength(line) for line in lines) > width - 2 * margin:
        size -= 1
        font = ImageFont.load_default(size)
    band = Image.new("RGB", (width, height), (32, 32, 36))
    draw = ImageDraw.Draw(band)
    for row, line in enumerate(lines):
        draw.text((margin, margin // 2 + spacing * row), line, font=font, fill=(255, 255, 255))
    return np.concatenate([np.asarray(band), frame])
