"""The site: it is built without a warning, leads nowhere that is not there, and has every public name and command."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import typer
from bs4 import BeautifulSoup
from sphinx.util.inventory import InventoryFile

from tests.house import ROOT, modules

DOCS = ROOT / "docs"
PACKAGES = ("poet", "environments", "agents")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", str(DOCS), str(ROOT), str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert 0 == built.returncode, built.stderr
    return folder


def test_the_site_is_built_without_a_warning(site: Path) -> None:
    """It begins at its index, which leads to the first page."""
    assert (site / "docs" / "index.html").is_file() and (site / "index.html").is_file()


def test_every_link_and_picture_of_the_site_is_there(site: Path) -> None:
    """A link within the site leads to a file, and to a place in it if it names one; no page loads from elsewhere."""
    pages = {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in site.rglob("*.html")}
    places = {path: {tag["id"] for tag in soup.find_all(id=True)} for path, soup in pages.items()}
    wrong = []
    for path, soup in pages.items():
        for is_loaded, target in _targets(soup):
            address, place = urldefrag(target)
            if re.match(r"\w+:|//", address):
                wrong += [f"{path.relative_to(site)} loads {target}"] if is_loaded else []
                continue
            file = (path.parent / unquote(address.partition("?")[0])).resolve() if address else path
            if not file.is_file() or (place and file in places and place not in places[file]):
                wrong.append(f"{path.relative_to(site)}: {target}")
    assert len(pages) > 30
    assert not wrong


def _targets(soup: BeautifulSoup) -> Iterator[tuple[bool, str]]:
    """(whether a browser loads it by itself, where it leads) of links, pictures, scripts and styles."""
    for name, attribute in (("a", "href"), ("link", "href"), ("img", "src"), ("script", "src"), ("source", "src")):
        for tag in soup.find_all(name, attrs={attribute: True}):
            yield name != "a", str(tag[attribute])


def test_every_public_name_is_documented(site: Path) -> None:
    """The reference has all names of the public faces, and every class that a user's part subclasses."""
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    documented = {name for kind in inventory.data if kind.startswith("py:") for name in inventory.data[kind]}
    public = {f"{package}.{name}" for package in PACKAGES for name in importlib.import_module(package).__all__}
    contracts = {name for module in modules("poet", "agents", "environments") for name in _contracts(module.text)}

    assert not public - documented
    assert len(contracts) == 7 and not contracts - {name.rpartition(".")[2] for name in documented}


def _contracts(text: str) -> list[str]:
    return re.findall(r"load_class\(.*?, (Abstract\w+),", text)


def test_every_command_is_in_the_table() -> None:
    """Sub-commands too, and nothing that is no command."""
    from experiments.commands.app import app

    commands = set()
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", {})
        commands |= {f"{name} {sub}" for sub in inner}
        if not inner or getattr(command, "invoke_without_command", False):
            commands.add(name)
    table = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    groups = "|".join({name.partition(" ")[0] for name in commands if " " in name})
    shown = set(re.findall(rf"^\| `poet ((?:(?:{groups}) [a-z-]+(?= )|[a-z]+))", table, re.MULTILINE))

    assert commands == shown


def test_every_page_is_in_the_navigation() -> None:
    """No page in ``docs`` is forgotten."""
    navigation = (DOCS / "conf.py").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT).with_suffix("").as_posix() for path in DOCS.rglob("*.md")]

    assert not [page for page in pages if f'"{page}"' not in navigation]
