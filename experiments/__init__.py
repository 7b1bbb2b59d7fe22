"""What people run: the command line, presets, replays, analysis, reports. Part of poet-open-ended."""

from __future__ import annotations

from poet_open_ended import check_or_exit

check_or_exit("environments", "agents", "poet")
