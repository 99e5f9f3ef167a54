"""The likeness benchmark in its three phases: who is measured, what travels, what a machine without faces can do."""

import json
import subprocess
import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import (
    ablations,
    common,
    likeness_make,
    likeness_mark,
    likeness_prepare,
    likeness_recipes,
    likeness_variants,
)
from benchmarks.likeness_pack import pack, unpack
from benchmarks.likeness_prepare import PLANS, Job, JobPicture, choose_sitters, job_file, read_crops, read_job
from mini import people
from portraitist.images import read_picture, save_png, to_pil
from portraitist.preparing import draw_apart

ROOT = Path(__file__).resolve().parents[2]
WHOLE = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
NO_FACES = """
import runpy, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("dlib", "ai_edge_litert"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def write_job(work: Path, identity: int, photos: list[Path]) -> Job:
    """A job as the phase prepare writes it, without looking for faces."""
    file = job_file(work, identity)
    file.parent.mkdir(parents=True)
    pictures = []
    for number, photo in enumerate(photos):
        name = f"{number}.webp"
        to_pil(read_picture(photo)[:256, :256]).save(file.parent / name, "WEBP", lossless=True)
        pictures.append(JobPicture(name, "ohwx woman, smile", (WHOLE, WHOLE)))
    job = Job(
        identity, "woman", "ohwx", "woman, black hair", 42, (256, 256), "none", ("a.png",), ("b.png",), tuple(pictures)
    )
    file.write_text(json.dumps(asdict(job)))
    return job


def options(work: Path, **more: Any) -> Namespace:
    plain = {
        "work": work,
        "sitters": "tuning",
        "count": 1,
        "base": None,
        "dtype": None,
        "set": [],
        "variants": None,
        "told": None,
        "share": None,
        "only": [],
    }
    return Namespace(**{**plain, "variant": "shipped", "counts": dict(likeness_make.COUNTS), **more})


@pytest.mark.parametrize("whose", sorted(PLANS))
def test_the_sitters_fit_their_plan(whose: str) -> None:
    found = choose_sitters(whose)
    drawn = people.draw(np.array(found), np.zeros(len(found), np.int64))
    kinds = zip(drawn.gender.tolist(), drawn.age.tolist(), drawn.skin.tolist(), strict=True)
    assert tuple(kinds) == PLANS[whose][1]
    assert min(found) >= people.MEASURING


def test_nobody_is_both_tuned_on_and_measured() -> None:
    measured, tuned = set(choose_sitters("measuring", 40)), set(choose_sitters("tuning", 40))
    others = {one for identity in choose_sitters("measuring") for one in likeness_prepare.strangers(identity, 50)}
    assert not measured & tuned
    assert not others & (measured | tuned)


def test_a_job_travels_with_its_pixels(tmp_path: Path, sitter: list[Path]) -> None:
    job = write_job(tmp_path, 7, sitter[:2])
    assert read_job(tmp_path, 7) == job
    crops = read_crops(tmp_path, job, 1)
    assert [len(cut) for _, cut in crops] == [1, 1]
    assert np.array_equal(crops[0][1][0], read_picture(sitter[0])[:256, :256])
    with pytest.raises(SystemExit, match="hold 2 crops"):
        read_crops(tmp_path, job, 3)


def test_a_missing_job_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run the phase prepare first"):
        read_job(tmp_path, 7)


def test_settings_are_read_as_what_they_are() -> None:
    read = common.read_settings(["learning_rate=2e-3", "flip=false", "sampler=Euler a", "min_snr_gamma=null"])
    assert read == {"learning_rate": 0.002, "flip": False, "sampler": "Euler a", "min_snr_gamma": None}
    with pytest.raises(SystemExit, match="write name=value"):
        common.read_settings(["cfg"])


def test_a_variant_needs_a_name_and_known_settings(tmp_path: Path) -> None:
    assert likeness_variants.variants_of(options(tmp_path)) == {"shipped": {}}
    told = tmp_path / "variants.json"
    told.write_text('{"slow": {"learning_rate": 1e-4}, "plain": {}}')
    found = likeness_variants.variants_of(options(tmp_path, variants=told, set=["cfg=3"]))
    assert found == {"slow": {"cfg": 3, "learning_rate": 1e-4}, "plain": {"cfg": 3}}
    with pytest.raises(SystemExit, match="a name of its own"):
        likeness_variants.variants_of(options(tmp_path, set=["cfg=3"]))
    with pytest.raises(SystemExit, match="'colour'"):
        likeness_variants.variants_of(options(tmp_path, variant="new", set=["colour=3"]))
    with pytest.raises(SystemExit, match="rank is wrong"):
        likeness_variants.variants_of(options(tmp_path, variant="new", set=["rank=many"]))
    with pytest.raises(SystemExit, match="no name"):
        likeness_variants.variants_of(options(tmp_path, variant="../new"))


def test_words_are_drawn_once_for_all_variants_of_a_base(tmp_path: Path) -> None:
    told = tmp_path / "variants.json"
    told.write_text('{"a": {}, "b": {"rank": 4}, "c": {"cfg": 2}}')
    tasks = likeness_make.plan(options(tmp_path, variants=told), 0.0)
    assert [task.variant for task in tasks] == [None, None, "a", "b", "c"]
    assert len({task.folder for task in tasks}) == 5
    assert [tasks[3].recipe.rank, tasks[4].recipe.rank, tasks[4].of_base] == [4, 64, {"cfg": 2}]


def finished(folder: Path, pictures: int, *, whole: bool = True) -> Path:
    folder.mkdir(parents=True)
    for number in range(pictures):
        (folder / f"portraits-{number:02d}.webp").write_bytes(bytes([number]) * 3000)
    if whole:
        (folder / "made.json").write_text("{}")
    return folder


def test_what_was_made_travels_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, there = tmp_path / "work", tmp_path / "there"
    shelves = [
        finished(work / "made" / "shipped" / "1", 3),
        finished(work / "made" / "shipped" / "2", 3, whole=False),
        finished(work / "words" / "k" / "1", 2),
    ]
    assert len(pack(work, shelves, tmp_path / "out")) == 1
    monkeypatch.setattr("benchmarks.likeness_pack.PART", 12_000)
    assert len(pack(work, shelves, tmp_path / "out")) > 2
    unpack(tmp_path / "out", there)
    assert sorted(file.parent.relative_to(there).as_posix() for file in there.rglob("made.json")) == [
        "made/shipped/1", "words/k/1",
    ]  # fmt: skip
    assert (there / "made/shipped/1/portraits-02.webp").read_bytes() == b"\2" * 3000
    assert not (there / "made/shipped/2").exists()


def test_foreign_archives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no made-1\.tar"):
        unpack(tmp_path, tmp_path / "there")
    pack(tmp_path, [finished(tmp_path / "elsewhere" / "1", 1)], tmp_path)
    with pytest.raises(SystemExit, match="did not pack"):
        unpack(tmp_path, tmp_path / "there")


class OneFace:
    """Finds one face in bright pictures, none in dark ones, and counts its looks."""

    looks = 0

    def detect(self, picture: np.ndarray) -> list[str]:
        self.looks += 1
        return ["face"] if picture.mean() > 100 else []

    def embed(self, picture: np.ndarray, face: str) -> np.ndarray:
        return np.full(128, float(picture.mean()))

    def embed_found(self, pictures: list[np.ndarray], faces: list[str]) -> np.ndarray:
        return np.full((1, 128), 1.0)


def test_a_picture_is_looked_at_once(tmp_path: Path) -> None:
    faces: Any = OneFace()
    marker = likeness_mark.Marker(faces, faces, faces, "x")
    bright, dark = np.full((8, 8, 3), 200, np.uint8), np.zeros((8, 8, 3), np.uint8)
    for _ in range(2):
        seen = likeness_mark.Seen(tmp_path / "seen.npz", marker)
        one, none = seen.faces([bright, dark], "dlib")
        assert one is not None and one[0] == 200
        assert none is None
        judged = seen.faces([bright], "judge")[0]
        assert judged is not None and judged[0] == 1.0
    assert faces.looks == 2


def test_the_long_phase_needs_no_faces(tmp_path: Path, sitter: list[Path]) -> None:
    identity = choose_sitters("tuning", 1)[0]
    write_job(tmp_path, identity, sitter[:2])
    counts = [f"{part}={int(part != 'painted')}" for part in likeness_make.COUNTS]
    sets = ["visits_per_photo=1", "min_visits=0", "batch=2", "rank=2", "crops_per_photo=1", "steps=1", "cfg=1"]
    done = subprocess.run(
        [sys.executable, "-c", NO_FACES, "benchmarks/likeness.py", "--phase", "make", "--sitters", "tuning",
         "--count", "1", "--work", str(tmp_path), "--device", "cpu", "--variant", "tiny", "--set", *sets,
         "--counts", *counts, "--jobs", "2", "--pack", str(tmp_path / "out")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    unpack(tmp_path / "out", tmp_path / "there")
    facts, parts = likeness_mark.read_made(tmp_path / "there" / "made" / "tiny" / str(identity))
    assert [len(parts[name]) for name in ("portraits", "painted", "request")] == [1, 0, 1]
    assert facts["steps"] == 1
    _, words = likeness_mark.read_made(tmp_path / "there" / "words" / facts["words"] / str(identity))
    assert words["words"][0][1].shape == (256, 256, 3)


def test_rows_of_different_kinds_are_tables_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_table([{"sitter": 1, "score": 0.5}, {"what": "mean", "value": 0.5}])
    assert capsys.readouterr().out.splitlines() == ["sitter  score", "1       0.5", "", "what  value", "mean  0.5"]


def test_renders_that_are_there_are_read(tmp_path: Path) -> None:
    picture = np.full((8, 8, 3), 9, np.uint8)
    save_png(tmp_path / "renders" / "5-1.png", picture, made=False)
    assert np.array_equal(likeness_prepare.render([5], [1], tmp_path, "cpu")[0], picture)


def job_of(photos: int) -> Job:
    pictures = tuple(JobPicture(f"{i}.webp", f"ohwx woman, smile, tag {i}", (WHOLE,)) for i in range(photos))
    known = tuple(f"{i}.png" for i in range(photos))
    return Job(7, "woman", "ohwx", "woman, black hair, smile", 42, (256, 256), "none", ("a.png",), known, pictures)


def test_a_variant_changes_what_the_training_is_given() -> None:
    job, change = job_of(6), likeness_variants.changed
    assert change(job, likeness_variants.Given()) == job
    fewer = change(job, likeness_variants.Given(photos=2, trigger="<sks>", identity_words=True))
    assert fewer.trigger == "<sks>" and [one.caption for one in fewer.pictures] == [
        "<sks> woman, black hair, smile, tag 0", "<sks> woman, black hair, smile, tag 1",
    ]  # fmt: skip
    with pytest.raises(SystemExit, match="hold 6 photos"):
        change(job, likeness_variants.Given(photos=7))


def test_crops_that_are_not_upright_are_turned_about_their_middle() -> None:
    lying = likeness_variants.changed(job_of(3), likeness_variants.Given(lying=1)).pictures
    middle = np.array([127.5, 127.5, 1.0])
    assert np.allclose(np.array(lying[0].crops[0]) @ middle, middle[:2])
    assert np.allclose(np.array(lying[0].crops[0]) @ [0.0, 0.0, 1.0], [0.0, 255.0], atol=1e-9)
    assert lying[1].crops == (WHOLE,)
    askew = likeness_variants.changed(job_of(3), likeness_variants.Given(askew=25.0)).pictures
    angles = [np.degrees(np.arctan2(one.crops[0][1][0], one.crops[0][0][0])) for one in askew]
    assert len({round(angle) for angle in angles}) > 1 and max(map(abs, angles)) <= 25


def test_masks_travel_as_what_the_loss_weighs(tmp_path: Path, sitter: list[Path]) -> None:
    job = write_job(tmp_path, 7, sitter[:1])
    assert likeness_prepare.read_masks(tmp_path, job, 0, 2) == []
    both = np.zeros((4, 6, 3), np.uint8)
    both[:2, :, 0], both[2, :, 1] = 255, 255
    for place in range(2):
        file = likeness_prepare.mask_file(tmp_path, 7, job.pictures[0].file, place)
        to_pil(both).save(file, "WEBP", lossless=True)
    first, _ = likeness_prepare.read_masks(tmp_path, job, 0, 2)
    assert first[:, 0].tolist() == [1.0, 1.0, 0.0, -1.0], "person, person, background, not the photo"


def test_the_photos_that_choose_are_those_that_a_training_would_spare() -> None:
    pictures, names = likeness_variants.spared(job_of(6), 1)
    (_, spared) = draw_apart([f"{i}.png" for i in range(6)], 1, 42)
    assert names == spared and len(pictures) == 5
    assert names[0].removesuffix(".png") not in {one.file.removesuffix(".webp") for one in pictures}


def test_a_recipe_of_the_library_can_be_tried_at_other_rates(tmp_path: Path) -> None:
    settings = {"recipe": "portrait", "rate": 3, "photos": 4, "rank": 8}
    found = likeness_variants.variants_of(options(tmp_path, told={"a": settings, "b": {}}, only=["a"]))
    assert found == {"a": settings}
    recipe = likeness_variants.recipe_of(settings)
    assert recipe["learning_rate"] == pytest.approx(3e-4) and recipe["text_learning_rate"] == pytest.approx(1.5e-4)
    assert recipe["rank"] == 8 and recipe["min_snr_gamma"] == 5.0 and "photos" not in recipe
    with pytest.raises(SystemExit, match="no such variant"):
        likeness_variants.variants_of(options(tmp_path, only=["c"]))


def test_every_ablation_is_a_variant_that_can_be_made(tmp_path: Path) -> None:
    told = {ablations.name_of(part, what): settings for part, tried in ablations.PARTS.items()
            for what, settings in tried.items() if settings is not None}  # fmt: skip
    assert len(likeness_variants.variants_of(options(tmp_path, told={"plain": ablations.PLAIN, **told}))) > 20
    assert all(list(tried.values()).count(None) == 1 for tried in ablations.PARTS.values())


def test_the_best_rate_of_each_recipe_is_measured_at_no_more_visits(tmp_path: Path) -> None:
    rows = [{"variant": f"portrait-x{rate}", "score": score} for rate, score in ((1, 0.2), (3, 0.5), (10, 0.4))]
    file = tmp_path / "tuning.json"
    file.write_text(json.dumps({"rows": [*rows, {"variant": "mini-x1", "score": 0.5}]}))
    told = likeness_recipes.best_rates(Namespace(rates=file, ours=["mini"], others=["portrait"]))
    assert told["portrait"] == {"recipe": "portrait", "rate": 3} and told["mini"]["rate"] == 1
    assert told["ours-1200"]["max_visits"] == likeness_recipes.visits_of("portrait") == 1200
    line = {"adherence": 0.9, "visits": 1200}
    found = [{"variant": "ours-1200", "score": 0.6, **line}, {"variant": "portrait", "score": 0.5, **line}]
    assert [row["kept"] for row in likeness_recipes.compare(found, ["portrait"])] == [True, True]


def test_shares_of_the_sitters_are_all_of_them_once() -> None:
    parts = [likeness_make.share_of(range(10), f"{i}/3") for i in (1, 2, 3)]
    assert sorted(one for part in parts for one in part) == list(range(10))
    assert likeness_make.share_of([1, 2], None) == [1, 2]
    with pytest.raises(SystemExit, match="1/2"):
        likeness_make.share_of([1], "3/2")
