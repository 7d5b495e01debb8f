"""The house: what may import what, and how large a room may grow.

The picture is in docs/design.md. These tests read the imports of the source,
lazy ones inside functions included, and hold code, BUILD and picture to it.
"""

import ast
import configparser
import functools
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "tflottery"

# Packages that may be imported by each package. A package of the design that
# is not built yet stands here already, so that it finds its place.
_UP_TO_LAYERS = {"core", "pruning", "layers"}
_MIDDLE = {"rewinding", "supermasks", "compaction", "export", "gradual"}
_SIDE = {"data", "models", "distribution"}
_BELOW_CALLBACKS = _UP_TO_LAYERS | _MIDDLE | {"tfmot"}
_UP_TO_CALLBACKS = _BELOW_CALLBACKS | {"callbacks"}
_UP_TO_LOTTERY = _UP_TO_CALLBACKS | _SIDE | {"lottery"}
MAY_IMPORT = {
    "core": set(),
    "pruning": {"core"},
    "layers": {"core", "pruning", "distribution"},
    **{name: _UP_TO_LAYERS for name in _MIDDLE},
    "tflite": {"core"},
    "export": _UP_TO_LAYERS | {"compaction", "tflite"},
    "tfmot": _UP_TO_LAYERS | {"compaction", "gradual", "supermasks"},
    "callbacks": _BELOW_CALLBACKS | {"distribution"},
    **{name: {"core"} for name in _SIDE},
    "lottery": _UP_TO_LOTTERY - {"lottery"},
    "analysis": _UP_TO_LOTTERY,
    "reports": _UP_TO_LOTTERY | {"analysis"},
    "cli": _UP_TO_LOTTERY | {"analysis", "reports"},
}

# What a package may import from outside, where that is a promise.
OUTSIDE = {
    "core": {"etils", "ml_dtypes", "numpy"},
    "pruning": {"numpy"},
}
LEGACY = {"tf_keras", "tensorflow_model_optimization"}
FRAMEWORKS = LEGACY | {"tensorflow", "keras", "jax", "torch"}

# Import names that differ from the name of the distribution.
DISTRIBUTIONS = {"absl": "absl-py", "sklearn": "scikit-learn"}


def _files(*folders):
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


@functools.cache
def _tree(file):
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def _module(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _exists(module):
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def _from(node, file):
    base = node.module or ""
    if node.level:
        here = file.relative_to(ROOT).parts
        parts = here[: len(here) - node.level]
        base = ".".join([*parts, *filter(None, [base])])
    for alias in node.names:
        longer = f"{base}.{alias.name}"
        is_ours = base.split(".")[0] == "tflottery"
        yield longer if is_ours and _exists(longer) else base


def _is_import_call(node):
    if not isinstance(node, ast.Call) or not node.args:
        return False
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return name in ("import_module", "__import__")


@functools.cache
def imports(file):
    """All modules a file imports, as (module, whether lazily) pairs."""
    found = set()
    lazy = {
        inner
        for node in ast.walk(_tree(file))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for inner in ast.walk(node)
    }
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = list(_from(node, file))
        elif _is_import_call(node) and isinstance(node.args[0], ast.Constant):
            names = [str(node.args[0].value)]
        else:
            continue
        found.update((name, node in lazy) for name in names)
    return frozenset(found)


def _roots(file):
    return {name.split(".")[0] for name, _ in imports(file)}


def packages():
    """Names of the packages of the library that exist."""
    return sorted(
        folder.name
        for folder in LIBRARY.iterdir()
        if folder.is_dir() and any(folder.glob("*.py"))
    )


def package_imports(package):
    """Packages of the library that a package imports, itself left out."""
    found = set()
    for file in _files(f"tflottery/{package}"):
        for name, _ in imports(file):
            parts = name.split(".")
            if parts[0] == "tflottery":
                found.add(parts[1] if len(parts) > 1 else "tflottery")
    return found - {package}


def face_imports():
    """Packages that `tflottery/__init__.py` imports, lazily or not."""
    file = LIBRARY / "__init__.py"
    strings = {
        node.value
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    names = {name for name, _ in imports(file)}
    names |= {name for name in strings if name.startswith("tflottery.")}
    found = {name.split(".")[1] for name in names if name.count(".")}
    return found & set(packages())


def _circle(graph):
    """Returns one circle of a {node: set of nodes} graph, or None."""
    state = {}

    def visit(node, way):
        state[node] = "open"
        for other in sorted(graph.get(node, ())):
            if state.get(other) == "open":
                return [*way[way.index(other) :], other]
            if other not in state:
                circle = visit(other, [*way, other])
                if circle:
                    return circle
        state[node] = "done"
        return None

    for node in sorted(graph):
        if node not in state:
            circle = visit(node, [node])
            if circle:
                return circle
    return None


def read_build(text):
    """The py_library targets of a BUILD file: {name: its arguments}.

    BUILD files are Python syntax, so Python's own parser reads them. A glob
    becomes its first pattern, `["a/**/*.py"]`.
    """
    targets = {}
    for statement in ast.parse(text).body:
        call = getattr(statement, "value", None)
        if not isinstance(call, ast.Call) or call.func.id != "py_library":
            continue
        arguments = {}
        for keyword in call.keywords:
            value = keyword.value
            if isinstance(value, ast.Call) and value.func.id == "glob":
                value = value.args[0]
            arguments[keyword.arg] = ast.literal_eval(value)
        targets[arguments.pop("name")] = arguments
    return targets


def test_every_package_has_its_place_in_the_house():
    unknown = set(packages()) - set(MAY_IMPORT)
    assert not unknown, f"give {unknown} a place in MAY_IMPORT and the picture"


def test_the_picture_in_the_docs_shows_every_package():
    picture = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rooms = set(re.findall(r"^(\w+)/ ", picture, flags=re.MULTILINE))
    assert rooms == set(MAY_IMPORT)


def test_the_house_itself_has_no_circle():
    assert _circle(MAY_IMPORT) is None


@pytest.mark.parametrize("package", packages())
def test_arrows_point_down(package):
    upwards = package_imports(package) - MAY_IMPORT.get(package, set())
    assert not upwards, f"{package} must not import {sorted(upwards)}"


def test_modules_form_no_circle():
    # Lazy imports count: a circle is no better for being hidden.
    modules = {_module(file): file for file in _files("tflottery")}
    graph = {
        name: {other for other, _ in imports(file) if other in modules} - {name}
        for name, file in modules.items()
    }
    assert _circle(graph) is None


def test_circles_are_found():
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


@pytest.mark.parametrize("package", sorted(OUTSIDE))
def test_the_ground_floors_need_no_framework(package):
    for file in _files(f"tflottery/{package}"):
        outside = _roots(file) - set(sys.stdlib_module_names) - {"tflottery"}
        assert outside <= OUTSIDE[package], file


def test_models_take_keras_as_an_argument():
    for file in _files("tflottery/models"):
        assert not _roots(file) & FRAMEWORKS, file


def test_only_the_guard_imports_the_legacy_family_and_lazily():
    guard = LIBRARY / "tfmot" / "guard.py"
    for file in _files("tflottery"):
        for name, lazily in imports(file):
            if name.split(".")[0] in LEGACY:
                assert file == guard, f"{file} imports {name}"
                assert lazily, f"{file} imports {name} when it is loaded"


def test_library_code_never_says_tf_dot_keras():
    # It is Keras 3 or tf_keras, depending on what else was imported before.
    for file in _files("tflottery"):
        for name, _ in imports(file):
            assert not name.startswith("tensorflow.keras"), file
        for node in ast.walk(_tree(file)):
            if isinstance(node, ast.ImportFrom) and node.module == "tensorflow":
                names = [alias.name for alias in node.names]
                assert "keras" not in names, f"{file}:{node.lineno}"
            if isinstance(node, ast.Attribute) and node.attr == "keras":
                owner = getattr(node.value, "id", "")
                assert owner not in ("tf", "tensorflow"), (
                    f"{file}:{node.lineno}"
                )


def test_everything_imported_is_declared():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    required = config["options"]["install_requires"].split("\n")
    required += config["options.extras_require"]["onnx"].split("\n")
    declared = {re.split(r"[^\w.-]", line)[0].lower() for line in required}
    declared = {name.replace("_", "-") for name in declared}
    for file in _files("tflottery"):
        outside = _roots(file) - set(sys.stdlib_module_names) - {"tflottery"}
        for name in outside:
            distribution = DISTRIBUTIONS.get(name, name).replace("_", "-")
            assert distribution in declared, f"{file} imports {name}"


@pytest.mark.parametrize("package", packages())
def test_build_names_the_true_imports(package):
    targets = read_build((ROOT / "BUILD").read_text(encoding="utf-8"))
    assert package in targets, f"BUILD has no target {package}"
    target = targets[package]
    assert target["srcs"] == [f"tflottery/{package}/**/*.py"]
    expected = sorted(f":{name}" for name in package_imports(package))
    assert target.get("deps", []) == expected


def test_build_has_one_target_per_package_and_one_for_the_face():
    targets = read_build((ROOT / "BUILD").read_text(encoding="utf-8"))
    assert set(targets) == {*packages(), "tflottery"}
    face = targets["tflottery"]
    assert face["srcs"] == ["tflottery/__init__.py"]
    expected = {f":{name}" for name in face_imports()}
    assert expected <= set(face["deps"]) <= {f":{name}" for name in packages()}


@pytest.mark.parametrize("folder", ["tflottery", "examples", "benchmarks"])
def test_a_file_is_one_concept_and_at_most_300_lines(folder):
    sizes = {
        str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines())
        for file in _files(folder)
    }
    assert {name: size for name, size in sizes.items() if size > 300} == {}


def test_nothing_is_called_utils():
    # A name that says nothing is where arrows knot.
    for file in _files("tflottery", "tests", "examples", "benchmarks"):
        for part in file.relative_to(ROOT).with_suffix("").parts:
            assert not re.search(r"(^|_)utils?$", part), file


def test_nothing_is_left_to_do_in_comments():
    words = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME"]) + r")\b")
    for file in _files("tflottery", "tests", "examples", "benchmarks"):
        match = words.search(file.read_text(encoding="utf-8"))
        assert match is None, f"{file}: {match}"


def test_library_files_say_what_they_are():
    for file in _files("tflottery"):
        first = (ast.get_docstring(_tree(file)) or "").split("\n")[0]
        assert first.endswith((".", ":")), f"{file}: {first!r}"


def test_test_files_have_names_of_their_own():
    # Without __init__.py files, pytest imports test modules by name alone.
    names = [
        file.name for file in _files("tests") if file.name != "conftest.py"
    ]
    doubles = {name for name in names if names.count(name) > 1}
    assert not doubles
