"""The tutorials run from their first cell to their last, in bounded time, and leave no process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from documents import NOTEBOOKS, code_cells

CELL_S, START_S = 90, 60


def test_the_tutorials_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    psutil = pytest.importorskip("psutil")
    assert len(NOTEBOOKS) >= 3
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / "jupyter"))
    # One kernel for all: starting one and importing torch takes longer than most cells.
    together = nbformat.v4.new_notebook()
    for path in NOTEBOOKS:
        (tmp_path / path.stem).mkdir()
        elsewhere = f"%reset -f\nimport os; os.chdir({str(tmp_path / path.stem)!r})"
        together.cells.append(nbformat.v4.new_code_cell(elsewhere))
        together.cells += nbformat.read(path, as_version=4).cells
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    run = nbclient.NotebookClient(
        together, timeout=CELL_S, startup_timeout=START_S, kernel_name="python3",
        shutdown_kernel="immediate",
    ).execute()  # fmt: skip
    assert all(cell.execution_count for cell in run.cells if cell.cell_type == "code")
    shown = [
        kind for cell in run.cells for o in cell.get("outputs", []) for kind in o.get("data", ())
    ]
    assert shown.count("image/png") >= 2
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert not left


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_is_kept_without_outputs(notebook: Path) -> None:
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")
    assert code_cells(notebook)
