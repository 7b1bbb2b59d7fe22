"""Settings of all tests: Hypothesis tries the same examples in every run and has no deadline; signals count."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

from environments.signals import STOPPING

settings.register_profile("same every time", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("same every time")

# A shell without job control starts what runs in its background with Ctrl-C ignored, as ``nohup`` does the end of a
# terminal, and so would be every command that a test starts and interrupts.
for number in STOPPING:
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that compile kernels for minutes come first, so that no worker is left with them at the end."""
    items.sort(key=lambda item: item.path.name not in ("test_bounds.py", "test_ptx.py"))
