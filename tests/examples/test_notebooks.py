"""Notebooks run from top to bottom."""

import pytest
from helpers.paths import ROOT

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


def test_notebooks_carry_no_results():
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat ([notebook])")
    assert len(NOTEBOOKS) == 2
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        assert not [cell for cell in cells if cell.get("outputs")], path.name


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient ([notebook])")
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat ([notebook])")
    pytest.importorskip("ipykernel", reason="needs ipykernel ([notebook])")
    pytest.importorskip("matplotlib", reason="needs matplotlib ([plot])")
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("text/html" in output.get("data", {}) for output in shown)
    assert not [output for output in shown if output["output_type"] == "error"]
