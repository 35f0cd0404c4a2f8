"""The frames of a film."""

import re
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np


def frames_of(path: Path) -> tuple[np.ndarray, float]:
    """All frames, uint8 [num_frames, height, width, 3], and how many are shown per second."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    said = done.stderr.decode()
    width, height = map(int, re.search(r"Video:.* (\d+)x(\d+)", said).groups())
    rate = float(re.search(r"([\d.]+) fps", said)[1])
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3), rate
