"""What all tests share: Hypothesis tries the same examples in every run, without a deadline; Ctrl-C is heard."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("same every time", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("same every time")

# Tests interrupt processes. In the background of a plain shell Ctrl-C is ignored, by them too; unless somebody hears it.
signal.signal(signal.SIGINT, signal.default_int_handler)
