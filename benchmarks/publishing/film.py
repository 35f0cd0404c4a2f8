"""Make a small GIF of the video of `sim_policy.py --video`, one column per task.

    python -m benchmarks.publishing.film output/cheetah-vel/first/video.mp4 film.gif

The top row shows the last exploring trajectory, the bottom row the first adapted one. Episodes must
have the full length in every task, because the video is cut into equal parts.
"""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageSequence

from rlkit.core.errors import UserError

COLOURS = 48
STRONG = 40  # difference between the channels from which on a colour counts as strong


def read_frames(video: Path, width: int) -> tuple[np.ndarray, float]:
    """Read a video, reduced to a width in pixels: images [n, h, width, 3] and images per second.

    Raises:
        UserError: it cannot be read.
    """
    read = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(video)]
    small = ["-vf", f"scale={width}:-2:flags=lanczos", "-compression_level", "1"]
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "small.apng"
        if subprocess.run([*read, *small, copy], capture_output=True, check=False).returncode != 0:
            raise UserError(f"{video}: no video that can be read")
        with Image.open(copy) as film:
            seconds = film.info["duration"] / 1000
            images = [np.asarray(image.convert("RGB")) for image in ImageSequence.Iterator(film)]
    return np.stack(images), 1 / seconds


def chosen(show: str, trajectories: int) -> list[int]:
    """Read the numbers of the trajectories to show.

    Raises:
        UserError: no numbers from 1 to `trajectories`.
    """
    numbers = [int(number) if number.isdecimal() else 0 for number in show.split(",")]
    if min(numbers) < 1 or max(numbers) > trajectories:
        raise UserError(f"--show {show}: expected numbers from 1 to {trajectories}, with commas")
    return numbers


def cut(frames: np.ndarray, tasks: int, trajectories: int, shown: list[int]) -> np.ndarray:
    """Put the chosen trajectories of all tasks side by side.

    Args:
        frames: of the whole video, task by task and trajectory by trajectory, [n, h, w, 3].
        tasks: number of tasks in the video.
        trajectories: of each task.
        shown: numbers of the trajectories to show, from 1, top row first.
    Returns:
        [n / (tasks · trajectories), rows · h, tasks · w, 3].
    Raises:
        UserError: the video cannot be cut into that many parts.
    """
    if len(frames) % (tasks * trajectories):
        raise UserError(
            f"the video has {len(frames)} images, which is no multiple of {tasks} tasks times "
            f"{trajectories} trajectories"
        )
    parts = frames.reshape(tasks, trajectories, -1, *frames.shape[1:])
    rows = [np.concatenate(list(parts[:, number - 1]), axis=2) for number in shown]
    return np.concatenate(rows, axis=1)


def palette_of(pixels: np.ndarray) -> Image.Image:
    """Palette of COLOURS, half of them for strong colours.

    Those cover few pixels, such as a goal's, and would be lost in a palette of the whole image.

    Args:
        pixels: [n, 3], uint8.
    """
    strong = np.ptp(pixels, axis=1) > STRONG
    colours: list[int] = []
    for part in (pixels[strong], pixels[~strong]):
        if len(part):
            reduced = Image.fromarray(part[:, None]).quantize(COLOURS // 2)
            colours += (reduced.getpalette() or [])[: 3 * COLOURS // 2]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    return palette


def write_gif(images: np.ndarray, path: Path, seconds: float) -> None:
    """Write images [n, h, w, 3] as a GIF that repeats, with one palette for all of them."""
    palette = palette_of(images[:: max(1, len(images) // 4)].reshape(-1, 3))
    first, *rest = [
        Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.NONE)
        for image in images
    ]
    duration = round(1000 * seconds)
    first.save(path, save_all=True, append_images=rest, duration=duration, loop=0, optimize=True)


@click.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.argument("gif", type=click.Path(path_type=Path))
@click.option("--tasks", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--trajectories", default=4, show_default=True, type=click.IntRange(min=1))
@click.option("--show", default="2,3", show_default=True, help="Trajectories, top row first.")
@click.option("--images", default=150, show_default=True, help="Length, in images of the video.")
@click.option("--every", default=3, show_default=True, help="Keep every n-th image.")
@click.option("--width", default=200, show_default=True, help="Of a column [pixels].")
def main(
    video: Path,
    gif: Path,
    tasks: int,
    trajectories: int,
    show: str,
    images: int,
    every: int,
    width: int,
) -> None:
    """Write GIF, an extract of VIDEO; see the module's own text."""
    try:
        shown = chosen(show, trajectories)
        frames, fps = read_frames(video, width)
        write_gif(cut(frames, tasks, trajectories, shown)[:images:every], gif, every / fps)
    except UserError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"wrote {gif}, {gif.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
