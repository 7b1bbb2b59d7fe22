"""What people run: the command line, presets, replays, analysis, reports. Part of poet-open-ended."""

from __future__ import annotations

from importlib import import_module

from poet_open_ended import check_or_exit

check_or_exit("environments", "agents", "poet")
import_module("environments")  # makes sure that our modules are imported exactly
