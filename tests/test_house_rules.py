"""The rules of the house that no other tool checks, read off the syntax tree of every module.

Ruff checks style, and that public names and tests have a docstring; import-linter checks which package may see which.
Each rule here lists what breaks it as ``file:line`` and says what to do instead. An exception stands in a table with
its reason; one that nothing needs any more breaks its rule too.
"""

from __future__ import annotations

import ast
import re
import statistics
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
import typer

from tests.house import ROOT, Function, Module, calls, files, loads, modules, parse, uses

MODULES = modules("environments", "agents", "poet", "experiments")

#: What may be imported, also inside a function, only by files whose path starts with one of these.
DOORS: dict[str, tuple[str, ...]] = {
    "Box2D": ("environments/physics/box2d.py",),
    "gymnasium": (
        "environments/walker/env.py",
        "environments/walker/scene.py",
        "environments/walker/registration.py",
        "environments/walker/vector_env.py",
        "environments/walker/vector_base.py",
        "environments/walker/bipedal_walker_vector.py",
        "environments/walker/new_world.py",  # wraps its walker
        "experiments/examples/same_curve.py",  # learns on it
        "experiments/examples/train_ppo.py",  # films in it, as users do
        "experiments/throughput/others.py",  # measures it
        "experiments/replay/verify_worker.py",  # proves a run through it
        "experiments/suites/__init__.py",  # has its courses as grounds
    ),
    "envpool": ("experiments/throughput/others.py",),
    "pygame": ("environments/walker/",),
    "ray": ("agents/evaluation/ray.py",),
    "torch": (
        *("agents/strategies/evotorch.py", "agents/networks.py", "poet/trainers/sb3.py"),
        *("experiments/walkers/foreign.py", "experiments/examples/"),
    ),
    "evotorch": ("agents/strategies/evotorch.py",),
    "stable_baselines3": ("poet/trainers/walkers.py", "experiments/examples/", "poet/trainers/sb3.py"),
    **dict.fromkeys(("optuna", "ribs"), ("experiments/examples/",)),
    **{name: (f"experiments/logs/{name}.py",) for name in ("tensorboard", "wandb", "mlflow")},
    "multiprocessing": ("agents/evaluation/pool.py",),
    "concurrent": ("agents/rollouts/chunks.py", "agents/rollouts/simd.py", "environments/walker/"),
    "sqlite3": ("poet/archive/",),
    "matplotlib": ("environments/terrain/picture.py", "experiments/analysis/", "experiments/examples/gaits.py"),
    "scipy": (
        "experiments/suites/evaluation.py",
        "experiments/comparison/statistics.py",
        "experiments/comparison/survival.py",
    ),
    "PIL": ("experiments/replay/",),
    "imageio": ("experiments/replay/", "experiments/examples/train_ppo.py"),
    "imageio_ffmpeg": ("experiments/replay/",),
    "typer": ("experiments/commands/",),
    "rich": ("experiments/commands/",),
    "argparse": (),
    # Opening a run archive never runs code.
    **dict.fromkeys(("pickle", "marshal", "shelve", "cloudpickle"), ()),
}

#: Sources of chance. ``environments.streams`` needs none of them.
CHANCE = ("random", "secrets", "uuid", "numpy.random", "os.urandom", "os.getrandom")
#: Who may use which: who draws what Gymnasium draws, from its own generators, and a guard, whom nobody may guess.
CHANCE_OF = {
    **dict.fromkeys(("environments/terrain/bipedal_walker.py", "environments/walker/bipedal_walker_vector.py"), CHANCE),
    "experiments/view/server.py": ("secrets",),
}

#: Clocks, and who may read them: people want to know how long a run took; no result does.
CLOCKS = ("time.", "datetime.")
NO_CLOCK = ("time.sleep", "datetime.timedelta")
CLOCK_READERS = ("experiments/", "poet/archive/", "agents/evaluation/patience.py", "agents/evaluation/ray")

#: Who may ask Numba to compile.
COMPILERS = ("environments/compiled.py",)
COMPILING = re.compile(r"numba(\.\w+)*\.(jit|njit|vectorize|guvectorize|cfunc|stencil|jitclass)$")

#: Modules whose numbers decide a result: the same bits on every CPU, every NumPy build and every libm.
DECIDING = (
    "environments/streams.py",
    "environments/terrain/",
    "environments/physics/",
    "environments/walker/",
    "agents/policies/",
    "agents/rollouts/",
    "agents/strategies/",
    "agents/wasm/",
    "poet/",
)
NOT_DECIDING = (
    "agents/strategies/evotorch.py",
    "environments/walker/draw.py",
    "environments/walker/env.py",
    "environments/walker/scene.py",
    "environments/walker/vector_env.py",
    "poet/archive/",
    "poet/trainers/sb3.py",
)

#: The functions of ``math`` that are exact or correctly rounded, hence the same everywhere; the others are libm's.
EXACT_MATH = set(
    """
    ceil comb copysign fabs factorial floor fmod frexp fsum gcd isclose isfinite isinf isnan isqrt lcm ldexp modf
    nextafter perm prod remainder sqrt trunc ulp inf nan pi e tau
    """.split()
)
#: NumPy's elementary functions (SIMD builds differ), its BLAS and its pairwise sums.
INEXACT_NUMPY = set(
    """
    sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log log2 log10 log1p
    logaddexp logaddexp2 power float_power hypot cbrt dot vdot inner outer matmul einsum tensordot linalg convolve
    correlate sum nansum mean nanmean average std nanstd var nanvar trapezoid interp corrcoef cov
    """.split()
)
#: The same as methods of an array; only their calls are looked at.
INEXACT_METHODS = ("dot", "sum", "mean", "std", "var")

#: (file, function) -> why its arithmetic is exact after all.
EXACT_AFTER_ALL = {
    ("agents/policies/mlp.py", "num_parameters"): "integers",
    ("agents/rollouts/result.py", "num_steps"): "integers",
    ("agents/rollouts/cuda.py", "_bytes"): "integers",
    ("agents/rollouts/request.py", "num_episodes"): "integers",
    ("agents/rollouts/simd.py", "stage_shares"): "integers",
    ("agents/rollouts/simd.py", "_done"): "integers",
    ("environments/physics/box2d.py", "read"): "only whether the sum is finite",
    ("environments/walker/episode.py", "_advance"): "only whether the sum is finite",
    ("poet/loop.py", "book"): "integers",
    ("poet/novelty.py", "_to_nearest"): "only which are so far away that their exact distance need not be computed",
}

#: (file, function) -> why it is longer than a screen.
LONG_FUNCTIONS: dict[tuple[str, str], str] = {}

MAX_FILE_LINES = 500
MAX_MEDIAN_FILE_LINES = 200
MAX_FUNCTION_LINES = 80

#: Files that cite documents.
CITING = (".py", ".toml", ".cfg", ".md")
#: A document, whose name is in capitals, and the numbers of its sections, if any: a list, also over the end of a line.
_GAP = r"(?:[ \t]+|[ \t]*\n[ \t]*(?:#:?[ \t]*)?)"
CITATION = re.compile(
    rf"(?<![\w/.-])((?:[\w.-]+/)*[A-Z][A-Z_]*\.md)((?:(?:,|{_GAP}(?:sections?|and|to)\b)*{_GAP}\d(?:\.\d+)?(?!\d))*)"
)

#: How a preset's comment begins: where its value comes from.
ORIGINS = ("paper", "released code", "silent", "ours")


def _is_in(dotted: str, names: Iterable[str]) -> bool:
    return any(dotted == name or dotted.startswith(f"{name}.") for name in names)


def _check(found: Iterable[str], to_do: str) -> None:
    """Fail with everything that was found, and a sentence on what to do."""
    if lines := sorted(set(found)):
        pytest.fail(f"{to_do}\n" + "\n".join(lines), pytrace=False)


def _without_excused(found: Iterable[tuple[Module, int, str]], excused: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """Violations without an exception, and exceptions without a violation."""
    needed = set()
    for module, line, what in found:
        place = (module.path, module.function_at(line))
        if place in excused:
            needed.add(place)
        else:
            yield f"{module.path}:{line}: {what}"
    for path, function in excused.keys() - needed:
        yield f"tests/test_house_rules.py: the exception for {function} in {path} is needed no more"


def test_the_rules_see_through_aliases_and_lazy_imports() -> None:
    """A name is known by where it comes from, however it was imported; imports for types only do not count."""
    text = """
import numpy as np
from time import perf_counter as now
if TYPE_CHECKING:
    import torch
def f():
    import ray.util
    importlib.import_module("sqlite3")
    return np.linalg.norm(now())
"""
    module = parse(text, "agents/example.py")

    loaded = sorted(loads(module), key=lambda pair: pair[1])
    assert [("numpy", 2), ("time.perf_counter", 3), ("ray.util", 7), ("sqlite3", 8)] == loaded
    assert {("time.perf_counter", 3), ("time.perf_counter", 9), ("numpy.linalg.norm", 9)} <= set(uses(module))
    assert "f" == module.function_at(9)


def test_each_foreign_library_is_imported_behind_its_one_door() -> None:
    """A library that could be exchanged, or that costs much to import, is known to the files listed for it alone."""
    _check(
        (
            f"{module.path}:{line}: imports {name}"
            for module in MODULES
            for name, line in loads(module)
            for library, doors in DOORS.items()
            if _is_in(name, [library]) and not module.path.startswith(doors or ("no file at all",))
        ),
        "Go through the module that stands for the library (DOORS in tests/test_house_rules.py).",
    )


def _is_chance(module: Module, name: str) -> bool:
    return _is_in(name, CHANCE) and not _is_in(name, CHANCE_OF.get(module.path, ()))


def test_chance_comes_from_named_streams_only() -> None:
    """Every random draw is one of ``environments.streams``; hash values, which differ by process, decide nothing."""
    _check(
        [
            *(f"{m.path}:{line}: uses {name}" for m in MODULES for name, line in uses(m) if _is_chance(m, name)),
            *(f"{m.path}:{line}: imports {name}" for m in MODULES for name, line in loads(m) if _is_chance(m, name)),
            *(
                f"{m.path}:{line}: calls {name}()"
                for m in MODULES
                for name, line in calls(m, "hash", "id")
                if m.function_at(line) != "__hash__"
            ),
        ],
        "Draw from environments.streams.Stream(seed, purpose, *ids); name things by hashlib, not by hash().",
    )


def test_the_clock_is_read_only_by_those_who_report_it() -> None:
    """No clock is read in the world, in agents or in the algorithm."""
    _check(
        (
            f"{module.path}:{line}: reads {name}"
            for module in MODULES
            if not module.path.startswith(CLOCK_READERS)
            for name, line in uses(module)
            if name.startswith(CLOCKS) and not _is_in(name, NO_CLOCK)
        ),
        "Measure time in experiments, for what Ray's workers are given, or in what poet/archive notes about a session.",
    )


def test_every_kernel_is_compiled_through_one_decorator() -> None:
    """Numba compiles with the options and the cache of ``environments.compiled``, and never with fastmath."""
    by_hand = (
        f"{module.path}:{line}: {name}"
        for module in MODULES
        if module.path not in COMPILERS
        for name, line in uses(module)
        if COMPILING.match(name)
    )
    fast = (
        f"{module.path}:{node.value.lineno}: fastmath={ast.unparse(node.value)}"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.keyword) and node.arg == "fastmath" and ast.unparse(node.value) != "False"
    )
    _check([*by_hand, *fast], "Use kernel or inline_kernel of environments.compiled.")


def _inexact(module: Module) -> Iterator[tuple[int, str]]:
    for name, line in uses(module):
        library, _, function = name.partition(".")
        function = function.partition(".")[0]
        if library in ("math", "cmath") and function and not (library == "math" and function in EXACT_MATH):
            yield line, f"{name} is libm's"
        elif library == "numpy" and function in INEXACT_NUMPY:
            yield line, f"{name} depends on the build"
        elif name.startswith("numpy.") and name.endswith(".reduce"):
            yield line, f"{name} sums pairwise"
    for name, line in calls(module, "sum", "pow"):
        yield line, f"{name}() of floats depends on the Python version or libm"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.BinOp | ast.AugAssign):
            operands = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
            if isinstance(node.op, ast.MatMult):
                yield node.lineno, "@ is BLAS"
            elif isinstance(node.op, ast.Pow) and not all(_is_integer(operand) for operand in operands):
                yield node.lineno, "** of floats is libm's pow"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in INEXACT_METHODS:
                yield node.lineno, f".{node.func.attr}() depends on the build"
            elif node.func.attr == "argpartition" or (
                node.func.attr == "argsort" and "kind='stable'" not in map(ast.unparse, node.keywords)
            ):
                yield node.lineno, f".{node.func.attr}() orders equal values by the CPU"


def _is_integer(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and isinstance(node.value, int)) or ast.unparse(node).startswith("len(")


def test_what_decides_a_result_is_computed_exactly_as_written() -> None:
    """No libm, no BLAS, no sum in an order that a build chooses, where a number decides what happens next."""
    found = (
        (module, line, what)
        for module in MODULES
        if module.path.startswith(DECIDING) and not module.path.startswith(NOT_DECIDING)
        for line, what in _inexact(module)
    )
    _check(
        _without_excused(found, EXACT_AFTER_ALL),
        "Loop in a fixed order or use math.fsum; use our own elementary functions; argsort(kind='stable'); "
        "or say in EXACT_AFTER_ALL (tests/test_house_rules.py) why it is exact.",
    )


def test_packages_hold_no_assert() -> None:
    """What a caller can get wrong is an error with a sentence; ``python -O`` changes nothing."""
    _check(
        (
            f"{module.path}:{node.lineno}: {ast.unparse(node)}"
            for module in MODULES
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Assert)
        ),
        "Raise InputError for a user, ValueError for a caller.",
    )


def test_only_experiments_print() -> None:
    """The packages below ``experiments`` return what there is to say; none runs text as code."""
    _check(
        [
            *(
                f"{module.path}:{line}: print"
                for module in MODULES
                if not module.path.startswith("experiments/")
                for _, line in calls(module, "print", "input")
            ),
            *(f"{m.path}:{line}: {name}" for m in MODULES for name, line in calls(m, "eval", "exec", "breakpoint")),
        ],
        "Return it, or put it in an event.",
    )


def test_files_are_small_rooms() -> None:
    """A file is one noun: none above 500 lines, half of them below 200."""
    lengths = {module.path: len(module.text.splitlines()) for module in [*MODULES, *modules("tests")]}
    _check(
        (f"{path}: {length} lines" for path, length in lengths.items() if length > MAX_FILE_LINES),
        f"Give each noun its own file; none has more than {MAX_FILE_LINES} lines.",
    )
    median = statistics.median(lengths[module.path] for module in MODULES if lengths[module.path])
    assert median <= MAX_MEDIAN_FILE_LINES, f"half of the files have more than {median} lines"


def _length(function: Function) -> int:
    """Lines from ``def`` to the end, without the docstring."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


def test_functions_fit_on_a_screen() -> None:
    """A function has at most 80 lines besides its docstring; kernels that may be longer are listed with a reason."""
    found = (
        (module, function.lineno, f"{function.name} has {_length(function)} lines")
        for module in [*MODULES, *modules("tests")]
        for function in module.functions()
        if _length(function) > MAX_FUNCTION_LINES
    )
    _check(
        _without_excused(found, LONG_FUNCTIONS),
        "Name its phases as functions, or list it in LONG_FUNCTIONS (tests/test_house_rules.py) with the reason.",
    )


def test_kernels_have_no_negative_index() -> None:
    """It would not count from the end: see ``compiled.indices_as_they_are``."""
    found = (
        f"{module.path}:{node.lineno}: {ast.unparse(node)}"
        for module in MODULES
        for function in module.functions()
        if module.path == "agents/rollouts/launches.py"
        or any("kernel" in ast.unparse(decorator) for decorator in function.decorator_list)
        for node in ast.walk(function)
        if isinstance(node, ast.Subscript)
        for index in (node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice])
        if isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.USub)
    )
    _check(found, "Count from the beginning: a[a.size - 1] for a[-1].")


def test_every_value_of_a_preset_names_its_source() -> None:
    """Each assignment in a preset ends with a comment that begins with where the value comes from."""
    found = []
    for path in sorted((ROOT / "experiments" / "presets").glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        num_commented = 0
        for number, line in enumerate(text.splitlines(), 1):
            comment = re.match(r"\w+ = .*\S  # (.+)", line)
            if comment and comment[1].startswith(ORIGINS):
                num_commented += 1
            elif line and not line.startswith(("#", "[")):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line}")
        num_values = sum(len(section) for section in tomllib.loads(text).values())
        if num_values != num_commented:
            found.append(f"{path.relative_to(ROOT)}: {num_values} values, {num_commented} of them with a source")
    _check(found, f"Write `key = value  # source`, where the source begins with one of: {', '.join(ORIGINS)}.")


def test_no_file_names_the_machine_it_was_written_on() -> None:
    """The project must work anywhere: no file may hold an absolute path of somebody's machine."""
    machine = re.compile(r"(?<![\w.:-])/(?:work|root|home|Users)/|\.libr" + r"ary\b|\bfa" + r"rm-")
    found = []
    for path in files(ROOT):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if machine.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    _check(found, "Make the path relative, or an argument.")


def _citations(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """(line, document, numbers of sections) of everything that a text cites."""
    for found in CITATION.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, found[1], re.findall(r"\d(?:\.\d+)?", found[2])


def test_citations_are_read_as_they_are_meant() -> None:
    """Lists, ranges and ends of lines belong to a citation, other numbers do not; pages elsewhere are no documents."""
    text = """
# As in POET.md 1.7, 60 of them; POET.md 3, 4.2 and 5.2 to 5.4; ../docs/PHYSICS.md section 2. bench.md 9; (POET.md
#: 6.3, faults 1 and 2); POET.md, 7; https://example.org/POET.md
"""
    assert [
        (2, "POET.md", ["1.7"]),
        (2, "POET.md", ["3", "4.2", "5.2", "5.4"]),
        (2, "../docs/PHYSICS.md", ["2"]),
        (2, "POET.md", ["6.3"]),
        (3, "POET.md", ["7"]),
    ] == list(_citations(text))


def test_documents_that_are_cited_exist_and_have_the_section() -> None:
    """A document lies at the root, in docs or beside who cites it; a section's number begins one of its headings."""
    found = []
    for path in files(ROOT):
        if path.suffix not in CITING:
            continue
        for line, name, sections in _citations(path.read_text(encoding="utf-8")):
            place = f"{path.relative_to(ROOT)}:{line}"
            documents = [folder / name for folder in (ROOT, ROOT / "docs", path.parent) if (folder / name).is_file()]
            if not documents:
                found.append(f"{place}: there is no {name}")
                continue
            headings = re.findall(r"^#+ (\d+(?:\.\d+)*)\b", documents[0].read_text(encoding="utf-8"), re.MULTILINE)
            found += [f"{place}: {name} has no section {number}" for number in sections if number not in headings]
    _check(found, "Cite what the repository has, as in POET.md 4.2; documents to read lie in docs.")


def _commands() -> dict[str, Any]:
    from experiments.commands.app import app

    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_every_command_explains_itself() -> None:
    """``poet --help`` and ``poet COMMAND --help`` say something about each command, argument and option."""
    found = []
    commands = _commands()
    for group, command in list(commands.items()):
        commands |= {f"{group} {name}": inner for name, inner in getattr(command, "commands", {}).items()}
    for name, command in commands.items():
        if not command.help:
            found.append(f"poet {name}")
        found += [f"poet {name}: {parameter.name}" for parameter in command.params if not parameter.help]
    _check(found, "Give it a help text.")


def test_the_readme_shows_every_command_and_no_other() -> None:
    """Each command stands in README.md, and each ``poet`` or ``make`` line of its examples can be typed."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    shown = set(re.findall(r"(?:^|`)(?:\.venv/bin/)?poet ([a-z]\w*)", readme, re.MULTILINE))
    made = set(re.findall(r"(?:^|`)make ([a-z][\w-]*)", readme, re.MULTILINE))
    commands = set(_commands())
    _check(
        [
            *(f"README.md: poet {name} is missing" for name in commands - shown),
            *(f"README.md: poet {name} does not exist" for name in shown - commands),
            *(f"README.md: make {name} does not exist" for name in made - targets),
        ],
        "Bring README.md and the commands together.",
    )
