"""The gene that docs/how-to/add-gene.md adds; ``pytest -p tests.new_gene`` runs any tests in a project that has it."""

from __future__ import annotations

import subprocess
import sys

from environments.terrain import genes
from environments.terrain.gene import GeneGroup
from tests.house import ROOT, example


def new_group() -> GeneGroup:
    """The group that the page's example makes."""
    room = dict(vars(genes))
    exec(example("add-gene.md"), room)
    return room["BUMPS"]


def pytest_configure() -> None:
    """Add it for a whole session."""
    group = new_group()
    genes.GENE_GROUPS[group.name] = group


def failures_with_it(*paths: str) -> str:
    """The failures of test files in a process that has the gene but does not enable it; empty if all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.new_gene", "-p", "no:cacheprovider", *paths]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return "" if 0 == ended.returncode else ended.stdout + ended.stderr
