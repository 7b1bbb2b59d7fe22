"""Words on pictures: the band above a film's picture and the labels of a strip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from environments.walker.ending import Outcome
from experiments.replay.pairs import Pair
from experiments.replay.walk import Walk, seconds

Color = tuple[int, int, int]

PAPER: Color = (250, 250, 247)
INK: Color = (44, 46, 51)
FAINT: Color = (112, 116, 122)
OUTCOME_COLORS: dict[Outcome, Color] = {
    Outcome.FINISHED: (38, 122, 76),
    Outcome.FELL: (190, 54, 44),
    Outcome.TIMEOUT: (150, 104, 24),
    Outcome.DIVERGED: (132, 60, 140),
}
_SUPERSAMPLING = 4


@dataclass(frozen=True)
class Caption:
    """Short texts, two on each side, and the outcome of the episode.

    Attributes:
        pair: who walks where.
        version: of the agent.
        progress: the return so far.
        time: time and step.
        success: how often this agent succeeds on this ground; empty if that was not measured. Left out if there is no
            room for it.
        outcome: None while the episode goes on.
    """

    pair: str
    version: str
    progress: str
    time: str
    success: str = ""
    outcome: Outcome | None = None


def caption_of(pair: Pair, walk: Walk, step: int) -> Caption:
    """The caption for a moment of the walk."""
    version = pair.agent.version
    who = f"agent {version.niche_id}" if pair.archived else f"agent of niche {version.niche_id}"
    return Caption(
        pair=f"{pair.place} · {who}",
        version=f"version {version.id} · iteration {version.iteration}",
        progress=f"return {walk.returns[step]:.1f}",
        time=f"step {step} · {seconds(step):.2f} s",
        success=_success_of(pair),
        outcome=walk.outcome if step == walk.length else None,
    )


def _success_of(pair: Pair) -> str:
    if pair.successes is None:
        return ""
    num, of = pair.successes
    return f" · succeeds under {num} of {of} pushes"


def fitting(caption: Caption, room: float, letters: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The lower text on the left, with the success if both fit into the given pixels."""
    whole = caption.version + caption.success
    return whole if letters.getlength(whole) <= room else caption.version


def draw_band(caption: Caption, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A caption on a band of its own, so that it never covers the walker.

    Args:
        caption: what it says.
        size: width W and height H, pixels; the letters follow from H.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    # Large letters scaled down are evenly spaced; small letters are not.
    width, height = (_SUPERSAMPLING * length for length in size)
    image = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(image)
    letters = font(0.36 * height)
    margin, lines = 0.25 * height, (0.29 * height, 0.71 * height)
    pen.text((margin, lines[0]), caption.pair, INK, letters, anchor="lm")
    # The outcome, in the middle, takes a sixth of the width at most.
    pen.text((margin, lines[1]), fitting(caption, 0.45 * width - margin, letters), FAINT, letters, anchor="lm")
    pen.text((width - margin, lines[0]), caption.progress, INK, letters, anchor="rm")
    pen.text((width - margin, lines[1]), caption.time, FAINT, letters, anchor="rm")
    if caption.outcome is not None:
        color = OUTCOME_COLORS[caption.outcome]
        pen.text((0.56 * width, 0.5 * height), caption.outcome.name, color, font(0.5 * height), anchor="mm")
    return np.asarray(image.reduce(_SUPERSAMPLING))


def font(pixels: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font. Its digits all have the same width, so that running numbers do not jump."""
    return ImageFont.load_default(pixels)
