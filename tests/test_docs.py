from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_site_builds_strictly_from_the_code_and_loads_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--white-to-white" in (tmp_path / "cli.html").read_text()
    assert "newest_only" in (tmp_path / "python.html").read_text()
    loaded = r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//[^>]*>"
    for page in tmp_path.glob("**/*.html"):
        assert not re.findall(loaded, page.read_text()), page.name
    for sheet in tmp_path.glob("**/*.css"):
        assert not re.findall(r"(?:@import\s*|url\()[\"']?(?:https?:)?//", sheet.read_text()), (
            sheet.name
        )
