"""What all tests share: Hypothesis tries the same examples in every run, without a deadline; Ctrl-C is heard."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("same every time", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("same every time")

# In the background of a plain shell Ctrl-C is ignored, also by processes that tests interrupt; unless it is heard here.
signal.signal(signal.SIGINT, signal.default_int_handler)
