"""The window of the render mode ``human``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.copying import NotCopied
from environments.walker.draw import import_pygame


class Window(NotCopied):
    """Shows pictures one after another, with a limit per second.

    Args:
        title: of the window.
        frames_per_second: ``show`` waits so that no more are shown.
    """

    copy_refusal = "a window cannot be copied: make another one"

    def __init__(self, title: str, frames_per_second: int) -> None:
        self._pygame = import_pygame()
        self._frames_per_second = frames_per_second
        self._title = title
        self._screen: Any = None
        self._clock = self._pygame.time.Clock()

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show (H, W, 3) uint8; the first picture opens the window and gives it its size."""
        pygame = self._pygame
        if self._screen is None:
            pygame.display.init()
            self._screen = pygame.display.set_mode((picture.shape[1], picture.shape[0]))
            pygame.display.set_caption(self._title)
        pygame.surfarray.blit_array(self._screen, picture.swapaxes(0, 1))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self._frames_per_second)

    def close(self) -> None:
        """Close the window."""
        self._screen = None
        self._pygame.display.quit()
