"""The blind comparison: who stands beside whom, what the page holds, and the arithmetic of its answers."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from portraitist.comparing import Vote, make_pairs, read_votes, tally, wilson
from portraitist.comparing.page import called
from portraitist.comparing.votes import Z
from portraitist.errors import BadFile, BadRequest, NoPhotos
from portraitist.images import save_png
from portraitist.recipes import LIBRARY
from portraitist.requests import PortraitRequest, to_json
from tests.commands.calling import call

Capture = pytest.CaptureFixture[str]
SCRIPT = LIBRARY / "page" / "compare.js"


def portrait(file: Path, style: str | None, seed: int | None, grey: int = 90) -> None:
    picture = np.full((24, 16, 3), grey, np.uint8)
    request = PortraitRequest("anna", style=style, seed=seed or 0)
    save_png(file, picture, {"portraitist": to_json(request)} if seed is not None else None)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    a, b = tmp_path / "old" / "portraits", tmp_path / "new" / "portraits"
    for folder in (a, b):
        folder.mkdir(parents=True)
    portrait(a / "oil-1.png", "oil", 1)
    portrait(b / "oil-1.png", "oil", 1)
    portrait(a / "city-2.png", "city", 2)
    portrait(b / "renamed.png", "city", 2)
    portrait(a / "studio-3.png", "studio", 3)
    portrait(b / "library-3.png", "library", 3)
    portrait(a / "winter-4.png", "winter", 4)
    portrait(b / "winter-9.png", "winter", 9)
    portrait(a / "x.png", None, None)
    portrait(b / "y.png", None, None)
    portrait(b / "z-alone.png", None, None)
    return a, b


def test_pairs_have_as_much_in_common_as_there_is(folders: tuple[Path, Path]) -> None:
    pairs = make_pairs(*folders)
    found = {pair.a.name: (pair.b.name, pair.by) for pair in pairs}
    assert found == {
        "oil-1.png": ("oil-1.png", "file name"),
        "city-2.png": ("renamed.png", "style and seed"),
        "studio-3.png": ("library-3.png", "seed"),
        "winter-4.png": ("winter-9.png", "style"),
        "x.png": ("y.png", "order"),
    }
    assert len({pair.name for pair in pairs}) == 5


def test_order_and_sides_go_by_the_seed(folders: tuple[Path, Path]) -> None:
    first, again = make_pairs(*folders, seed=1), make_pairs(*folders, seed=1)
    assert first == again
    others = [make_pairs(*folders, seed=seed) for seed in range(2, 12)]
    assert len({tuple(pair.name for pair in pairs) for pairs in others}) > 3
    assert {pair.left for pairs in others for pair in pairs} == {"a", "b"}
    assert make_pairs(*folders, seed=1, most=2) == first[:2]


def test_a_folder_without_pictures_is_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(NoPhotos, match="nowhere is not there"):
        make_pairs(folders[0], tmp_path / "nowhere")
    with pytest.raises(NoPhotos, match="holds no pictures"):
        make_pairs(folders[0], tmp_path)


def test_results_tell_folders_of_the_same_name_apart(folders: tuple[Path, Path]) -> None:
    assert called(*folders) == ("old/portraits", "new/portraits")
    assert called(folders[0], folders[0]) == ("A", "B")


@pytest.fixture
def page(folders: tuple[Path, Path], tmp_path: Path) -> str:
    assert call("--home", tmp_path / "home", "compare", *folders, "--out", tmp_path / "page.html") == 0
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_allows_its_own_script_and_nothing_else(page: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert "connect-src" not in policy and "img-src data:;" in policy
    told = page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "http" not in told and "<link" not in told and "fetch(" not in told


def test_the_page_does_not_tell_whose_a_picture_is(page: str, folders: tuple[Path, Path]) -> None:
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)[0])
    assert len(data["pairs"]) == 5 and all(one["a"].startswith("data:image/jpeg;base64,") for one in data["pairs"])
    for name in ("oil-1", "winter", "studio"):
        assert name not in page
    visible = page[: page.index('<script type="application/json"')]
    assert "old/portraits" not in visible and "new/portraits" not in visible


def test_both_languages_have_the_same_words(page: str) -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    english, chinese = re.findall(r"\n  (?:en|zh): \{(.*?)\n  \}", script, re.DOTALL)
    keys = [re.findall(r"(?:^|[\s,{])(\w+): [\"\[]", text) for text in (english, chinese)]
    assert len(keys[0]) > 25 and keys[0] == keys[1]


@pytest.mark.parametrize(("wins", "all_"), [(0, 1), (1, 1), (3, 7), (12, 40), (39, 40), (250, 500)])
def test_the_interval_is_that_of_scipy(wins: int, all_: int) -> None:
    mine, theirs = wilson(wins, all_), binomtest(wins, all_).proportion_ci(0.95, method="wilson")
    assert mine is not None
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert mine.share == wins / all_ and wilson(0, 0) is None


def test_the_page_counts_as_we_do() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    assert re.findall(r"z = ([\d.]+)", script) == [repr(Z)]
    engine = next((found for name in ("node", "chromium", "google-chrome") if (found := shutil.which(name))), None)
    if engine is None:
        pytest.skip("nothing here runs the page's script")
    table = [(wins, all_) for all_ in (1, 2, 7, 40) for wins in range(all_ + 1)]
    for (wins, all_), (low, high) in zip(table, run_script(engine, script, table), strict=True):
        mine = wilson(wins, all_)
        assert mine is not None and (low, high) == pytest.approx((mine.low, mine.high), abs=1e-12)


def run_script(engine: str, script: str, table: list[tuple[int, int]]) -> list[list[float]]:
    head = script[: script.index("var WORDS")]
    asked = f"{json.dumps(table)}.map(function (one) {{ var w = wilson(one[0], one[1]); return [w.low, w.high]; }})"
    if engine.endswith("node"):
        said = subprocess.run([engine, "-e", f"{head};console.log(JSON.stringify({asked}))"], capture_output=True)
        return json.loads(said.stdout)
    with_page = f"<p id=o></p><script>{head};document.getElementById('o').textContent=JSON.stringify({asked})</script>"
    address = "data:text/html;base64," + base64.b64encode(with_page.encode()).decode()
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom")
    said = subprocess.run([engine, *flags, address], capture_output=True, timeout=60)
    (told,) = re.findall(r'<p id="o">(.*?)</p>', said.stdout.decode())
    return json.loads(told)


def result(choices: dict[str, list[str]], page: str = "abc") -> dict[str, object]:
    votes = [
        {"pair": f"pair-{i}", "question": question, "left": "a", "choice": choice}
        for question, own in choices.items()
        for i, choice in enumerate(own)
    ]
    return {
        "kind": "portraitist-compare", "version": 1, "id": page, "a": "old", "b": "new", "seed": 42, "pairs": 12,
        "answered": "2026-01-01T00:00:00Z", "votes": votes, "summary": {"likeness": {"b": 999}},
    }  # fmt: skip


def test_answers_are_counted_and_ties_left_out() -> None:
    votes = [Vote("p", "likeness", "a", choice) for choice in ("b",) * 11 + ("a",) + ("tie",) * 5]
    likeness, beauty, _ = tally(votes)
    assert (likeness.a, likeness.b, likeness.ties, likeness.better) == (1, 11, 5, "b")
    assert likeness.interval is not None and likeness.interval.share == pytest.approx(11 / 12)
    assert beauty.interval is None and beauty.better is None
    assert tally([Vote("p", "beauty", "a", "a")] * 20)[1].better == "a"
    assert tally([Vote("p", "beauty", "a", "a"), Vote("p", "beauty", "a", "b")])[1].better is None


def test_a_saved_result_is_shown_as_a_table(tmp_path: Path, capsys: Capture) -> None:
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    one.write_text(json.dumps(result({"likeness": ["b"] * 6 + ["tie"], "realism": ["a", "b"]})))
    two.write_text(json.dumps(result({"likeness": ["b"] * 5 + ["a"]})))
    capsys.readouterr()
    assert call("compare", "--read", one, "--read", two) == 0
    said = capsys.readouterr().out
    assert "A is old, B is new" in said and "B is better" in said and "not decided" in said
    assert call("compare", "--read", one, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    likeness = document["questions"][0]
    assert likeness["b"] == 6 and likeness["ties"] == 1 and likeness["better"] == "b" and document["people"] == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", json.dumps({**result({}), "kind": "other"}), json.dumps({**result({}), "more": 1})]
)
def test_another_file_is_no_result(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(BadFile, match=r"r\.json"):
        read_votes([tmp_path / "r.json"])


def test_results_of_different_pages_are_not_added(tmp_path: Path) -> None:
    for page in ("one", "two"):
        (tmp_path / page).write_text(json.dumps(result({}, page)))
    with pytest.raises(BadRequest, match="different"):
        read_votes([tmp_path / "one", tmp_path / "two"])


def test_folders_must_be_two(capsys: Capture, tmp_path: Path) -> None:
    assert call("compare", tmp_path) == 2
    assert "Two folders" in capsys.readouterr().err
    assert call("compare", tmp_path, tmp_path) == 2
    assert "with itself" in capsys.readouterr().err
