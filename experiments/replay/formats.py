"""The files that a replay can become, chosen by the name's ending."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from environments.errors import InputError
from experiments.files import written
from experiments.replay import Progress
from experiments.replay.film import LAST_SECONDS, Film
from experiments.replay.pairs import Pair
from experiments.replay.strip import draw_strip
from experiments.replay.walk import Walk

GIF_SIZE = (400, 267)
#: Even, since yuv420p requires that.
MP4_SIZE = (720, 480)

# A picture of 128 colours takes about 8 kB.
_MAX_GIF_PICTURES = 700
_NUM_COLORS = 128
_NUM_SAMPLES = 16

# It warns about a film that is stopped before its first picture.
logging.getLogger("imageio_ffmpeg").setLevel(logging.ERROR)


def check_format(path: Path) -> None:
    """Raise ``InputError`` unless the name's ending is one of a format, and the folder is there."""
    if path.suffix.lower() not in WRITERS:
        raise InputError(
            f"--output ends in {', '.join(WRITERS)} for an animation, a video or a still picture, found {str(path)!r}"
        )
    if not path.parent.is_dir():
        raise InputError(f"--output {str(path)!r} needs the folder {str(path.parent)!r}, which does not exist: make it")


def write_replay(path: Path, pair: Pair, walk: Walk, progress: Progress) -> None:
    """Draw a walk into a file, which appears when it is complete and replaces one of that name.

    Raises:
        InputError: see ``check_format``.
        OSError: the file cannot be written.
    """
    check_format(path)
    with written(path) as file:
        WRITERS[path.suffix.lower()](file, pair, walk, progress)


def _write_gif(file: IO[bytes], pair: Pair, walk: Walk, progress: Progress) -> None:
    """An animation that repeats for ever. All pictures share one palette, so what stands still costs nothing."""
    film = Film(pair, walk, GIF_SIZE, _MAX_GIF_PICTURES)
    samples = sorted({film.steps[i * (len(film) - 1) // (_NUM_SAMPLES - 1)] for i in range(_NUM_SAMPLES)})
    sheet = Image.fromarray(np.concatenate([film.picture(step) for step in samples]))
    palette = sheet.quantize(_NUM_COLORS, Image.Quantize.MEDIANCUT)
    pictures = (
        Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)
        for picture in _counted(film, progress)
    )
    durations = [round(1000 * film.seconds_apart)] * (len(film) - 1) + [round(1000 * LAST_SECONDS)]
    next(pictures).save(file, "GIF", save_all=True, append_images=pictures, duration=durations, loop=0, optimize=False)


def _write_mp4(file: IO[bytes], pair: Pair, walk: Walk, progress: Progress) -> None:
    """H.264 that browsers play, encoded by the ffmpeg that comes with imageio-ffmpeg.

    ffmpeg is kept silent, since it says much about a film that Ctrl-C cuts short. So its result is checked afterwards.
    """
    film = Film(pair, walk, MP4_SIZE)
    path = str(Path(file.name).absolute())  # ffmpeg opens it again, and cannot mistake it for an option
    num_last = round(LAST_SECONDS / film.seconds_apart) - 1
    writer = imageio_ffmpeg.write_frames(
        path,
        MP4_SIZE,
        fps=round(1 / film.seconds_apart),
        codec="libx264",
        pix_fmt_out="yuv420p",
        quality=None,
        macro_block_size=2,
        output_params=["-crf", "20", "-movflags", "+faststart"],
        ffmpeg_log_level="quiet",
    )
    writer.send(None)
    try:
        for picture in _counted(film, progress):
            writer.send(picture)
        for _ in range(num_last):
            writer.send(picture)
    finally:
        writer.close()
    if _num_pictures(path) != len(film) + num_last:
        raise RuntimeError("ffmpeg did not write the whole film: is the disk full?")


def _num_pictures(path: str) -> int:
    """How many pictures a film has; 0 if ffmpeg cannot read it."""
    try:
        return int(imageio_ffmpeg.count_frames_and_secs(path)[0])
    except RuntimeError:
        return 0


def _write_png(file: IO[bytes], pair: Pair, walk: Walk, progress: Progress) -> None:
    """One wide still picture of the whole course."""
    Image.fromarray(draw_strip(pair, walk)).save(file, "PNG", optimize=True)
    progress(1, 1)


def _counted(film: Film, progress: Progress) -> Iterator[NDArray[np.uint8]]:
    for num_done, picture in enumerate(film, 1):
        yield picture
        progress(num_done, len(film))


WRITERS: dict[str, Callable[[IO[bytes], Pair, Walk, Progress], None]] = {
    ".gif": _write_gif,
    ".mp4": _write_mp4,
    ".png": _write_png,
}
