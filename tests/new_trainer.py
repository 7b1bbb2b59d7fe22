"""The trainer that CONTRIBUTING.md adds, as if it were written in this file."""

from __future__ import annotations

import re

from tests.house import ROOT

_TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
(_CODE,) = re.findall(r"^## Adding a trainer\n.*?^```python\n(.*?)^```", _TEXT, re.DOTALL | re.MULTILINE)
exec(_CODE, globals())
