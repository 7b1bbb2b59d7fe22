"""Prints the lowest version that setup.cfg allows of each package that it names, as constraints for pip.

``make test-lowest`` installs these, each with the newest packages that it needs in its turn, and runs the tests. Extras
whose packages ``test`` does not have are left out: nobody needs them who does not name them.
"""

from __future__ import annotations

from collections.abc import Iterator
from configparser import ConfigParser

from packaging.requirements import Requirement

from tests.house import ROOT


def lowest_versions() -> dict[str, str]:
    """The lowest version by the name of each package that the package itself and its tests need here.

    Raises:
        ValueError: a package has no lower bound, or two.
    """
    found: dict[str, str] = {}
    for needed in _requirements():
        bounds = [bound.version for bound in needed.specifier if bound.operator in (">=", "==")]
        if needed.marker is None or needed.marker.evaluate():
            if len(bounds) != 1 or found.get(needed.name, bounds[0]) != bounds[0]:
                raise ValueError(f"{needed.name} must have one lower bound in setup.cfg, found {needed}")
            found[needed.name] = bounds[0]
    return found


def _requirements() -> Iterator[Requirement]:
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    for text in (settings["options"]["install_requires"], settings["options.extras_require"]["test"]):
        yield from map(Requirement, filter(None, text.split("\n")))


if __name__ == "__main__":
    for name, version in lowest_versions().items():
        print(f"{name}=={version}")
