"""The example notebooks run from top to bottom, and what they show is typeset. They are kept without outputs."""

import json
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "examples" / "notebooks").glob("*.ipynb"))
TYPESET = {"text/latex", "text/html", "text/markdown"}


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(path, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(path.parents[2]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    assert [o for o in outputs if TYPESET & set(o.get("data", ()))], "nothing is typeset"
    printed = "".join(o.get("text", "") for o in outputs)
    assert "∂L/∂" in printed or "d_a1 =" in printed
    if path.stem == "derivation":
        difference, worked = printed.strip().splitlines()[-1].split(" and ")
        assert float(difference) == pytest.approx(float(worked.replace("·10⁻⁵", "e-5")), rel=1e-3)


def test_notebooks_are_kept_without_outputs():
    assert len(NOTEBOOKS) >= 3
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert all(not c["outputs"] and c["execution_count"] is None for c in cells if c["cell_type"] == "code"), path
