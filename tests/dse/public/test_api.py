"""The library's face: names, laziness, documentation, notebooks' pictures."""

import ast
import doctest
import inspect
import subprocess
import sys
import tomllib

import pytest
from helpers.paths import ROOT
from helpers.report_run import write_run

import macwright

PUBLIC = ROOT / "dse" / "public"


def loaded_after(code: str, folder=None) -> set[str]:
    """Top-level modules that a fresh process holds after some code."""
    text = f"{code}; import sys; print(*{{m.partition('.')[0] for m in sys.modules}})"
    return set(subprocess.check_output([sys.executable, "-c", text], text=True, cwd=folder).split())


def test_import_loads_none_of_the_heavy_packages():
    heavy = {
        "amaranth",
        "ortools",
        "onnxruntime",
        "onnx",
        "pandas",
        "numpy",
        "cocotb",
        "matplotlib",
    }
    assert not heavy & loaded_after("import macwright")
    assert {"numpy"} == heavy & loaded_after("import macwright; macwright.parse_format('int4')")


@pytest.mark.parametrize("name", macwright.__all__)
def test_every_name_is_there_and_listed(name):
    assert getattr(macwright, name) is not None
    assert name in dir(macwright)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(AttributeError, match=r"^module 'macwright' has no attribute 'parse_fmt'$"):
        _ = macwright.parse_fmt  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ImportError):
        from macwright import no_such_name  # noqa: F401 # pyright: ignore


def test_star_import_gives_all_names():
    space: dict = {}
    exec("from macwright import *", space)
    assert set(macwright.__all__) <= set(space)


def test_stub_says_the_same_to_type_checkers():
    homes = {name: module for module, names in macwright._HOMES.items() for name in names}  # pyright: ignore
    tree = ast.parse((PUBLIC / "__init__.pyi").read_text())
    stub = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert stub == homes
    listed = next(node.value for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(ast.literal_eval(listed)) == sorted(macwright.__all__)


def test_version_is_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert macwright.__version__ == project["version"]
    assert project["version"] not in (PUBLIC / "__init__.py").read_text()


DOCUMENTED = [name for name in macwright.__all__ if callable(getattr(macwright, name))]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_name_has_a_docstring_with_an_example(name):
    # test_layout.py runs the examples of all modules.
    thing = getattr(macwright, name)
    text = inspect.getdoc(thing) or ""
    examples = doctest.DocTestParser().get_examples(text)
    assert examples, f"{name} has no example"
    assert not any(doctest.SKIP in example.options for example in examples[:1])
    assert "Examples\n--------" in text
    if not inspect.isclass(thing) and inspect.signature(thing).parameters:
        assert "Parameters\n----------" in text, f"{name} says nothing about its parameters"


def test_formats_and_fronts_show_themselves_in_notebooks():
    html = macwright.parse_format("e4m3fn")._repr_html_()
    assert "e4m3fn" in html
    assert "-448 to 448" in html
    table = macwright.OptionTable.from_arrays(
        ["fc"], [["a&b", "c"]], loss=[[1.0, 2.0]], area_time=[[2.0, 1.0]]
    )
    front = macwright.front(table)
    assert repr(front) == "Front(2 points, area_time 1 to 2, loss 1 to 2)"
    assert "<table" in front._repr_html_()


def names() -> dict[str, object]:
    """What a notebook has after importing every public name."""
    return {name: getattr(macwright, name) for name in macwright.__all__}


@pytest.mark.parametrize("name", macwright.FORMAT_NAMES)
def test_formats_show_the_call_that_makes_them(name):
    fmt = macwright.parse_format(name)
    assert eval(repr(fmt), names()) == fmt
    assert len(repr(fmt)) < 30


@pytest.mark.parametrize("spec", macwright.registry(), ids=lambda spec: spec.name)
def test_specs_show_the_call_that_makes_them(spec):
    assert eval(repr(spec), names()) == spec


def test_a_spec_shows_what_differs_from_the_defaults():
    spec = macwright.IntMacSpec(weight=macwright.IntFormat(4), pipeline=1)
    assert repr(spec) == "IntMacSpec(weight=parse_format('int4'), pipeline=1)"


def test_a_run_is_tables(tmp_path):
    run = macwright.Run(write_run(tmp_path / "run"))
    assert run.layers.loc["stem", "macs"] == 784 * 9 * 24
    assert list(run.allocations.index.names) == ["point", "layer"]
    assert len(run.allocations) == len(run.front) * len(run.layers)
    assert run.info["objective"] == "area_time"
    assert len(run.table("uniform")) == 8
    assert "fashion_cnn.onnx on gates" in repr(run)
    assert "<table" in run._repr_html_()


def test_a_point_that_is_not_there_is_refused(tmp_path):
    run = macwright.Run(write_run(tmp_path / "run"))
    with pytest.raises(macwright.RefusedInput, match=r"^Point must be one of 1, 2, .*, not 99$"):
        run.allocation(99)


def test_an_allocation_shows_itself_in_notebooks():
    spec = macwright.IntMacSpec()
    choice = macwright.LayerChoice(weight="int8", activation="int8", unit=spec.name)
    allocation = macwright.Allocation(
        point=3,
        model_sha256="",
        technology="<gates>",
        layers={"conv&1": choice},
        units={spec.name: spec},
        costs={"area_time": 12.5},
    )
    html = allocation._repr_html_()
    assert "&lt;gates&gt;" in html
    assert "conv&amp;1" in html
    assert "area_time 12.5" in html
    assert allocation.to_frame().loc["conv&1", "unit"] == spec.name
    assert "pe" not in allocation.to_frame()


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^Run must be a folder with run\.json, and "):
        macwright.Run(tmp_path)
    run = macwright.Run(write_run(tmp_path / "run"))
    with pytest.raises(FileNotFoundError, match=r"must be one of costs, front, .*, not 'ranking'$"):
        run.table("ranking")
    (run.path / "front.csv").write_bytes(b"")
    with pytest.raises(ValueError, match="must be a table of a run"):
        _ = run.front
    (run.path / "run.json").write_text("[1")
    with pytest.raises(ValueError, match="must be the JSON that a run writes"):
        macwright.Run(run.path)


def test_front_is_drawn_where_matplotlib_is(tmp_path):
    matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib ([plot])")
    matplotlib.use("Agg")
    run = macwright.Run(write_run(tmp_path / "run"))
    axes = run.plot()
    assert axes.get_xlabel() == "area_time"
    measured = run.front["measured_accuracy"].dropna()
    assert len(axes.lines[0].get_xdata()) == len(measured)
    same = macwright.plot_front(run, cost="bops", value="predicted_loss", ax=axes)
    assert same is axes
    assert sorted(axes.lines[1].get_xdata()) == sorted(run.front["bops"])
    with pytest.raises(ValueError, match=r"^Column must be one of .*, not 'beauty'$"):
        run.plot(cost="beauty")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    table = macwright.OptionTable.from_arrays(
        ["fc"], [["a", "b"]], loss=[[1.0, 2.0]], area_time=[[2.0, 1.0]]
    )
    with pytest.raises(ImportError, match=r"pip install 'macwright\[plot\]'$"):
        macwright.plot_front(macwright.front(table))


def test_users_own_folders_shadow_nothing(tmp_path):
    (tmp_path / "hw").mkdir()
    for name in ("hw/__init__.py", "sim.py", "runs.py"):
        (tmp_path / name).write_text("raise RuntimeError('the user\\'s own')")
    loaded_after(
        "import macwright.hw, macwright.testing; macwright.Run, macwright.generate", tmp_path
    )


@pytest.mark.parametrize("argv", [["-m", "macwright", "--version"]])
def test_python_m_runs_the_command_line(argv, tmp_path):
    text = subprocess.check_output([sys.executable, *argv], text=True, cwd=tmp_path)
    assert text == f"macwright {macwright.__version__}\n"


def test_what_is_infeasible_is_refused_with_the_public_error():
    table = macwright.OptionTable.from_arrays(["fc"], [["a"]], loss=[[1.0]], bits=[[4.0]])
    with pytest.raises(macwright.Infeasible, match="'bits' must be at least 4, not 3"):
        macwright.solve(table, budgets=[macwright.Budget("bits", max=3)])
