"""What ``import agents`` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import agents


def test_the_public_names_are_there() -> None:
    """``from agents import MLPPolicy, rollout`` works, and nothing else is promised."""
    assert ["MLPPolicy", "rollout"] == sorted(agents.__all__)
    for name in agents.__all__:
        assert name == getattr(agents, name).__name__
    with pytest.raises(AttributeError, match="no attribute 'polices'"):
        _ = agents.polices  # type: ignore[attr-defined]


def test_importing_agents_costs_nothing() -> None:
    """The package alone loads neither NumPy nor Numba: the command line's help needs half a second, not two."""
    code = "import sys, agents; print(*{'numpy', 'numba', 'Box2D'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "" == done.stdout.strip()
