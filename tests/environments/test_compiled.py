"""The kernels' disk cache: right after an edit anywhere, shared otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PRINT = "from environments.streams import words, stream_key; print(words(stream_key(1, 'x'), 0, 1)[0])"


def first_word(root: Path, home: Path) -> str:
    """The first word of a stream, computed by the package tree at ``root`` in a new process."""
    environment = {**os.environ, "PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", _PRINT], env=environment, cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_an_edited_callee_is_seen_by_its_cached_callers(tmp_path):
    """Editing a kernel that another one calls changes what the caller computes, in spite of the disk cache."""
    root, home = tmp_path / "tree", tmp_path / "home"
    for package in ("environments", "agents"):
        shutil.copytree(_ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    before = first_word(root, home)
    streams = root / "environments" / "streams.py"
    streams.write_text(streams.read_text().replace("NUM_ROUNDS = 10", "NUM_ROUNDS = 9"))

    after = first_word(root, home)

    assert before != after
    assert 2 == len(list((home / "poet" / "kernels").iterdir()))


_FOLDER = "import environments.compiled as c; print(c.CACHE_DIR)"


def test_a_constant_anywhere_names_another_cache(tmp_path):
    """Any module of both packages may hold one that a kernel reads, also one that is new and knows of no kernel."""
    root, folders = tmp_path / "tree", []
    for package in ("environments", "agents"):
        shutil.copytree(_ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    new = {"environments/physics/novel.py": "STIFFNESS = 1.0\n", "agents/rollouts/novel.py": "PATIENCE = 1\n"}
    for path, text in new.items():
        (root / path).write_text(text)
    changes = [(None, {}), ("environments/physics/novel.py", {}), ("agents/rollouts/novel.py", {})]
    changes += [(None, {"NUMBA_BOUNDSCHECK": "1"}), (None, {"NUMBA_OPT": "1"})]
    for path, settings in changes:
        if path is not None:
            (root / path).write_text(new[path].replace("1", "2"))
        environment = {**os.environ, "PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(tmp_path / "home"), **settings}
        done = subprocess.run(
            [sys.executable, "-c", _FOLDER], env=environment, cwd=root, capture_output=True, text=True, check=True
        )
        folders.append(Path(done.stdout.strip()))

    assert len(changes) == len(set(folders))
    assert {tmp_path / "home" / "poet" / "kernels"} == {folder.parent for folder in folders}


_TOLD = """
from environments.compiled import compiler_passes
from environments.streams import stream_key, words
told = []
with compiler_passes(lambda: told.append("a pass")):
    words(stream_key(1, "x"), 0, 1)
print(len(told) > 1, set(told))
"""


def test_who_asks_is_told_when_something_is_compiled(tmp_path):
    """Again and again with an empty cache, and not at all with a full one."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", _TOLD]
    said = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)]

    assert ["True {'a pass'}\n", "False set()\n"] == [done.stdout for done in said]


_TWICE = """
__name__ = "environments.twice"
from environments.compiled import kernel, kernel_of
def constant(k, decorate):
    @decorate
    def give():
        return k
    return give
print(constant(1, kernel_of("one"))(), constant(2, kernel_of("two"))())
constant(3, kernel)
constant(4, kernel)
"""


def test_no_two_kernels_have_one_name(tmp_path):
    """Closures of one function are told apart by their parts: the linker would take one for the other."""
    script = tmp_path / "twice.py"
    script.write_text(_TWICE)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)

    assert "1 2\n" == done.stdout
    assert done.stderr.endswith(
        "TypeError: there are two kernels with the name environments.twice.constant.<locals>.give: tell them apart by "
        "kernel_of\n"
    )


_OWN = """
from environments.compiled import inline_kernel, kernel
import own_constant
@inline_kernel
def half():
    return 0.5
@kernel
def give():
    return own_constant.VALUE + half()
"""
_LOADED_AGAIN = """
import importlib, own_constant, own_kernels
print(own_kernels.give())
own_constant.VALUE = 7
print(importlib.reload(own_kernels).give())
"""


def test_a_users_kernels_are_those_of_his_files_as_they_are(tmp_path):
    """An edit of another file is seen, whatever is on disk; and a module may be loaded again."""
    (tmp_path / "own_kernels.py").write_text(_OWN)
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}:{tmp_path}", "NUMBA_CACHE_DIR": str(tmp_path / "home")}
    command, said = [sys.executable, "-B", "-c", _LOADED_AGAIN], []
    for value in (1, 2):
        (tmp_path / "own_constant.py").write_text(f"VALUE = {value}\n")
        said.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

    assert ["1.5\n7.5\n", "2.5\n7.5\n"] == said
