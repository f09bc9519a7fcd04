"""What arguments name: files, folders, globs; and a place of its own for each source."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cornea_stream.batch.discover import find_sources
from cornea_stream.errors import SourceError, UsageError

OUT = "output"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def places(*patterns: str, out: str = OUT, notes: list[str] | None = None) -> dict[str, str]:
    kept = [] if notes is None else notes
    found = find_sources(patterns, Path(out), lambda note: kept.append(str(note)))
    return {one.path.as_posix(): one.place.as_posix() for one in found}


def test_a_folder_stands_for_all_videos_below_it(here: Path) -> None:
    make("rec/b.mp4", "rec/a.AVI", "rec/2024/may/c.mkv", "rec/notes.txt")
    assert places("rec") == places("rec/") == {
        "rec/2024/may/c.mkv": "2024/may/c",
        "rec/a.AVI": "a",
        "rec/b.mp4": "b",
    }  # fmt: skip


def test_every_folder_of_images_is_one_source(here: Path) -> None:
    make("stills/1.png", "stills/2.png", "stills/more/3.png", "stills/more/yet/4.png")
    assert places("stills") == {
        "stills": "stills",
        "stills/more": "more/more",
        "stills/more/yet": "more/yet",
    }
    make("rec/a.mp4", "rec/x/stack/1.png", "rec/x/stack/2.png")
    assert places("rec") == {"rec/a.mp4": "a", "rec/x/stack": "x/stack"}
    make("rec/x/stack/deep/b.mp4")
    assert places("rec") == {
        "rec/a.mp4": "a",
        "rec/x/stack": "x/stack/stack",  # the outputs of a run do not lie in those of another
        "rec/x/stack/deep/b.mp4": "x/stack/deep/b",
    }
    assert places("rec", "stills")["stills"] == "stills"


def test_images_beside_videos_are_passed_over_with_a_word(here: Path) -> None:
    notes: list[str] = []
    make("rec/a.mp4", "rec/cover.jpg", "rec/2024/b.mp4", "rec/2024/1.png", "rec/2024/2.png")
    assert places("rec", notes=notes) == {"rec/a.mp4": "a", "rec/2024/b.mp4": "2024/b"}
    assert sorted(note.split(": ")[:2] for note in notes) == [
        ["images beside videos passed over", "rec (1)"],
        ["images beside videos passed over", "rec/2024 (2)"],
    ]
    notes.clear()
    assert places("rec/cover.jpg", "rec/*.mp4", notes=notes) == {
        "rec/cover.jpg": "cover",
        "rec/a.mp4": "a",
    }
    assert notes == []


@pytest.mark.parametrize("suffix", ["MOD", "m2v", "divx", "m2t", "qt", "f4v", "dif", "rmvb", "vro"])
def test_videos_of_any_suffix_are_found(here: Path, suffix: str) -> None:
    make(f"rec/a.{suffix}")
    assert places("rec") == places("rec/**") == {f"rec/a.{suffix}": "a"}


def test_files_of_other_types_are_counted(here: Path) -> None:
    notes: list[str] = []
    make("rec/a.mp4", "rec/notes.txt", "rec/2024/b.mp4", "rec/2024/b.TXT", "rec/2024/index")
    make("rec/2024/.hidden.txt")
    for pattern in ("rec", "rec/**"):
        notes.clear()
        assert places(pattern, notes=notes) == {"rec/a.mp4": "a", "rec/2024/b.mp4": "2024/b"}
        (note,) = notes
        assert note.startswith(f"files of other types passed over: {pattern} (2 .txt, 1 without")


def test_links_are_followed_once(here: Path) -> None:
    make("store/a.mp4", "store/deep/b.mp4", "rec/c.mp4")
    Path("rec/linked").symlink_to(here / "store")
    Path("store/deep/back").symlink_to(here / "store")
    Path("rec/up").symlink_to(here / "rec")
    wanted = {
        "rec/c.mp4": "c",
        "rec/linked/a.mp4": "linked/a",
        "rec/linked/deep/b.mp4": "linked/deep/b",
    }
    assert places("rec") == wanted
    assert places("rec/**") == wanted


def test_outputs_and_hidden_files_are_no_sources(here: Path) -> None:
    make("rec/a.mp4", "rec/._a.mp4", "rec/.trash/b.mp4", "rec/output/a/overlay.mp4")
    make("rec/elsewhere/a/overlay.mp4", "rec/killed/a/overlay.part.mp4")
    Path("rec/elsewhere/a/run.json").write_text('{"tool": "cornea-stream", "status": "complete"}')
    Path("rec/killed/a/run.part.json").write_text('{"status": "running"}')
    make(*(f"rec/b/0.500s/{name}.png" for name in ("original", "mask", "Cornea", "overlay")))
    make("rec/training/b.mp4")
    Path("rec/training/run.json").write_text('{"epochs": 3}')  # another tool's
    wanted = {"rec/a.mp4": "a", "rec/training/b.mp4": "training/b"}
    assert places("rec", out="rec/output") == wanted
    assert places("rec/**/*.mp4", out="rec/output") == wanted
    Path("rec/output/a").rename("rec/a")
    Path("rec/a/run.json").write_text('{"tool": "cornea-stream"}')
    assert places("rec", out="rec") == wanted
    with pytest.raises(SourceError, match=r"no videos and no images in: rec/elsewhere"):
        places("rec/elsewhere")


def test_globs_keep_the_structure_below_their_first_wildcard(here: Path) -> None:
    make("rec/2023/a.mp4", "rec/2024/b.mp4", "rec/2024/deep/c.mp4", "rec/2024/n.txt", "rec/[x].mp4")
    assert places("rec/*/*.mp4") == {"rec/2023/a.mp4": "2023/a", "rec/2024/b.mp4": "2024/b"}
    assert places("rec/**/c*") == {"rec/2024/deep/c.mp4": "2024/deep/c"}
    assert places("rec/20*") == {
        "rec/2023/a.mp4": "2023/a",
        "rec/2024/b.mp4": "2024/b",
        "rec/2024/deep/c.mp4": "2024/deep/c",
    }
    assert places("rec/**") == places("rec")
    assert places("rec/[x].mp4") == {"rec/[x].mp4": "[x]"}
    assert places(f"{here}/rec/2024/*.mp4") == {f"{here}/rec/2024/b.mp4": "b"}
    with pytest.raises(SourceError, match="no file matches"):
        places("rec/*.mov")


def test_files_that_are_named_are_taken_as_they_are_and_once(here: Path) -> None:
    make("rec/a.dat", "rec/b.mp4")
    assert places("rec/a.dat", "missing.mp4") == {"rec/a.dat": "a", "missing.mp4": "missing"}
    assert places("rec/b.mp4", "rec", f"{here}/rec/b.mp4") == {"rec/b.mp4": "b"}
    assert places("..mp4", "...mp4") == {"..mp4": "..mp4", "...mp4": "...mp4"}


@pytest.mark.parametrize("turned", [False, True])
def test_sources_of_one_name_get_places_of_their_own(here: Path, turned: bool) -> None:
    make("rec/a.mp4", "rec/a.avi", "rec/b.mp4", "r1/x/a.mp4", "r2/x/a.mp4", "c/d.mp4", "c/d/e.mp4")

    def ask(*patterns: str) -> dict[str, str]:
        return places(*(reversed(patterns) if turned else patterns))

    assert ask("rec") == {"rec/a.mp4": "a.mp4", "rec/a.avi": "a.avi", "rec/b.mp4": "b"}
    assert ask("r1", "r2") == {"r1/x/a.mp4": "r1/x/a", "r2/x/a.mp4": "r2/x/a"}
    assert ask("r1/x/a.mp4", "rec/a.mp4", "rec/a.avi") == {
        "r1/x/a.mp4": "r1/x/a",
        "rec/a.mp4": "rec/a.mp4",
        "rec/a.avi": "rec/a.avi",
    }
    assert ask("c") == {"c/d.mp4": "d.mp4", "c/d/e.mp4": "d/e"}


def test_places_that_cannot_differ_are_refused(here: Path) -> None:
    make("r1/x.mp4", "r2/x.mp4", "top/r1/x.mp4", "more/top/r1/x.mp4")
    with pytest.raises(UsageError, match="share the output folder 'top/r1/x'"):
        places("r1/x.mp4", "r2/x.mp4", "top", "more")


def test_links_that_lead_in_circles_end(here: Path) -> None:
    make("rec/a.mp4", "far/b.mp4")
    Path("rec/again").symlink_to(here / "rec")
    Path("rec/far").symlink_to(here / "far")
    assert places("rec") == {"rec/a.mp4": "a", "rec/far/b.mp4": "far/b"}


def test_a_folder_that_cannot_be_listed_is_told_among_the_failures(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("rec/a.mp4", "rec/locked/b.mp4")
    scan = os.scandir

    def refuse(path: str | Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert places("rec") == {"rec/a.mp4": "a", "rec/locked": "locked"}
