"""Tables in Markdown, for pages that people read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.text import as_markdown


def markdown_table(frame: pd.DataFrame) -> str:
    """A frame as a table in Markdown, numbers to the right."""
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    head = [as_markdown(str(name).replace("_", " ")) for name in frame.columns]
    aligned = ["--:" if pd.api.types.is_numeric_dtype(frame[name]) else "---" for name in frame.columns]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, aligned, *rows))


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else as_markdown(str(value))
