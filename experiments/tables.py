"""Tables as data for other programs. Every number reads back as the one that was written, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV; a float has the fewest digits that no other one has."""
    return table.to_csv(index=False, lineterminator="\n")


def json_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON values; what is missing, not a number or infinite is None."""
    plain = table.astype(object)
    return [
        {str(name): value for name, value in row.items()}
        for row in plain.where(table.notna() & ~table.isin([np.inf, -np.inf]), None).to_dict("records")
    ]
