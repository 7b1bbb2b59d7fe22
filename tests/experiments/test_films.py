"""Writing films with ffmpeg: its output is suppressed, so its result is checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.replay.film import Film
from experiments.replay.render import replay
from poet.archive.reader import Run, open_run


@pytest.fixture
def run(tiny_run: Path) -> Iterator[Run]:
    """The finished tiny run."""
    with open_run(tiny_run) as run:
        yield run


def test_a_film_that_is_stopped_before_its_first_picture_says_nothing(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither ffmpeg nor what starts it adds its words to ours, and no file is left."""

    def stop(film: Film) -> Iterator[NDArray[np.uint8]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Film, "__iter__", stop)
    with pytest.raises(KeyboardInterrupt):
        replay(run, 2, output=tmp_path / "walk.mp4")

    assert ("", "", []) == (*capfd.readouterr(), caplog.messages)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("num_kept", [0, 5])
def test_a_film_that_ffmpeg_did_not_finish_is_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_kept: int
) -> None:
    """It says nothing, also when the disk is full: its pictures are counted, and a part does not take the name."""
    write = imageio_ffmpeg.write_frames

    def lossy(*args: object, **kwargs: object) -> Iterator[None]:
        writer = write(*args, **kwargs)
        writer.send(None)
        for num in range(10_000):
            try:
                picture = yield
            except GeneratorExit:
                writer.close()
                raise
            if num < num_kept:
                writer.send(picture)

    monkeypatch.setattr(imageio_ffmpeg, "write_frames", lossy)
    with pytest.raises(RuntimeError, match="ffmpeg did not write the whole film"):
        replay(run, 2, output=tmp_path / "walk.mp4")
    assert not any(tmp_path.iterdir())
