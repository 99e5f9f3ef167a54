"""Does the check judge photos rightly, and how fast?

    python benchmarks/photos.py --out benchmarks/results/photos.json

measures (a) agreement with the labels of photographs in `--photos` (`labels.json` and a folder for each sitter; left
out where there are none), (b) on rendered people, whose truth is exact, precision and recall of each rule outside a
band of 20 % around its limit, and how upright photos come out, (c) how long photos of twelve megapixels take.
`--parts labels quality …` chooses; what `--out` holds of the other parts stays there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common, photos_people
from benchmarks.common import Row, bar, note
from benchmarks.photos_people import Person
from portraitist.faces import Face, Faces
from portraitist.photos.look import Look, look
from portraitist.photos.quality import Limits, pitched, usual_pitch
from portraitist.types import Embedding, Picture

if TYPE_CHECKING:
    from portraitist.requests import PhotoVerdict

AGREE, STRANGERS, SHARE, UPRIGHT, SECONDS = 16, 0, 0.95, 3.0, 60.0  # the bars
BAND = 0.2
LABELLED = Path(__file__).resolve().parents[2] / "shared" / "photos"

# Where each rule's limit lies in units of the truth, by photos_calibrate.py on other people. Blur: Gaussian sigma in
# widths of the face's box; noise: standard deviation in grey levels; pose: degrees of the head.
TRUE = {"blurred": 0.016, "noisy": 12.0, "profile": 40.0, "pitched": 32.0, "rolled": 35.0}
STEPS = np.geomspace(0.25, 4.0, 25)


class Unnamed:
    """The face stack without its recogniser, whose work the rules of one photo do not need."""

    def __init__(self, faces: Faces) -> None:
        self.faces = faces

    def detect(self, picture: Picture) -> list[Face]:
        return self.faces.detect(picture)

    def embed(self, picture: Picture, face: Face) -> Embedding:
        return np.zeros(128)

    def opening(self, picture: Picture, face: Face) -> float:
        return self.faces.opening(picture, face)


@dataclass
class Score:
    """Verdicts of one rule: right and wrong ones."""

    hit: int = 0
    missed: int = 0
    false: int = 0
    right: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, truth: bool, told: bool) -> None:
        self.hit += truth and told
        self.missed += truth and not told
        self.false += told and not truth
        self.right += not told and not truth

    def rows(self, code: str) -> Iterator[Row]:
        said, there = self.hit + self.false, self.hit + self.missed
        yield bar(f"{code}: precision", self.hit / said if said else None, SHARE)
        yield bar(f"{code}: recall", self.hit / there if there else None, SHARE)
        yield note(f"{code}: pictures with, without", f"{there}, {self.false + self.right}")


def main() -> None:
    given = arguments()
    faces = common.load_faces()
    for part in given.parts:
        if part == "labels" and not (given.photos / "labels.json").is_file():
            continue
        rows = [*PARTS[part](faces, given)]
        common.finish_parts("photos", given, {part: rows}, given.note)


def arguments() -> argparse.Namespace:
    parser = common.options(__doc__, count=10, of="sitters with five photos each", seed=0)
    parser.add_argument("--photos", type=Path, default=LABELLED, help="folder with labels.json")
    parser.add_argument("--parts", nargs="+", default=[*PARTS], choices=[*PARTS], help="which parts (all)")
    parser.add_argument("--large", type=int, default=100, help="photos of twelve megapixels (100)")
    parser.add_argument("--note", default="", help="on the machine, told beside the parts: 'beside other programs'")
    return parser.parse_args()


def labels(faces: Faces, given: argparse.Namespace) -> Iterator[Row]:
    """Verdicts against labels; what is a matter of taste does not count."""
    from portraitist.photos import check_photos

    folder: Path = given.photos
    verdicts: dict[str, PhotoVerdict] = {}
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        for verdict in check_photos([part], faces).report.photos:
            verdicts[f"{part.name}/{Path(verdict.file).name}"] = verdict
    labelled = [
        label for label in json.loads((folder / "labels.json").read_text())["photos"] if label["expect"] != "either"
    ]
    own = [far for label in labelled if label["expect"] == "accept" and (far := _distance(verdicts[label["file"]]))]
    right, strangers, wrong = 0, 0, []
    for label in labelled:
        verdict = verdicts[label["file"]]
        codes = {reason.code for reason in verdict.reasons}
        accepted, far = verdict.verdict == "accepted", _distance(verdict)
        sitter = far is not None and far < max(own) + 0.1
        strangers += accepted and label["shows"] != "sitter" and not sitter
        agrees = accepted if label["expect"] == "accept" else not accepted and bool(codes & set(label["codes"]))
        agrees = agrees or (label["shows"] == "sitter and another" and accepted and sitter)
        right += agrees
        wrong += [] if agrees else [label["file"]]
    yield bar(f"labelled photos judged as labelled, of {len(labelled)}", right, AGREE)
    yield bar("strangers accepted", strangers, STRANGERS, at_most=True)
    yield note("judged otherwise", ", ".join(wrong) or "none")


def _distance(verdict: PhotoVerdict) -> float | None:
    return None if verdict.face is None else verdict.face.distance


def plain(given: argparse.Namespace) -> list[Person]:
    return photos_people.draw("plain", given.count, 5, "measure", given.seed)


def with_face(drawn: Sequence[Person], faces: Unnamed, limits: Limits) -> list[tuple[Person, Look]]:
    return [(person, seen) for person in drawn if (seen := look(Path("p"), person.picture, faces, limits)).faces]


def quality(faces: Faces, given: argparse.Namespace) -> Iterator[Row]:
    """The rules of size, sharpness, noise, light and edge."""
    random, limits, quick = np.random.default_rng(given.seed), Limits(), Unnamed(faces)
    drawn, scores = plain(given), defaultdict[str, Score](Score)
    found = with_face(drawn, quick, limits)
    yield note("faces found in plain pictures", len(found) / len(drawn))
    for number, (person, seen) in enumerate(found):
        spoiled(scores, person, seen, quick, limits, random)
        common.progress("spoiled", number + 1, len(found))
    for code, score in scores.items():
        yield from score.rows(code)


def told(code: str, seen: Look) -> bool:
    """Whether a photo is rejected for this, or because no face was left to be found; doubts count as told."""
    if not seen.faces:
        return True
    return code in {reason.code for reason in (*seen.faces[0].reasons, *seen.faces[0].doubts)}


def spoiled(
    scores: dict[str, Score], person: Person, seen: Look, faces: Unnamed, limits: Limits, random: np.random.Generator
) -> None:
    """One picture below and one above each limit, by a factor of 1.25 to 4."""
    width = seen.faces[0].face.box.width
    for above in (False, True):
        for code, limit in (("blurred", TRUE["blurred"] * width), ("noisy", TRUE["noisy"]), ("too_small", 1.0)):
            factor = float(np.exp(random.uniform(np.log(1 / (1 - BAND)), np.log(4.0))))
            strength = limit * factor if above else limit / factor
            picture = spoil(code, person.picture, strength, width, limits, random)
            scores[code].add(above, told(code, look(Path("p"), picture, faces, limits)))
    for code in ("dark", "over_exposed", "cut_off"):
        for strength in random.permutation(STEPS)[:6]:
            picture, value = known(code, person, seen, float(strength))
            limit = {"dark": limits.dark, "over_exposed": limits.burnt, "cut_off": limits.cut_off}[code]
            if abs(value - limit) > BAND * limit:
                truth = value < limit if code == "dark" else value > limit
                scores[code].add(truth, told(code, look(Path("p"), picture, faces, limits)))


def spoil(
    code: str, picture: Picture, strength: float, width: float, limits: Limits, random: np.random.Generator
) -> Picture:
    match code:
        case "blurred":
            return photos_people.blurred(picture, strength)
        case "noisy":
            return photos_people.noisy(picture, strength, random)
        case _:  # smaller than the limit by this factor
            return photos_people.scaled(picture, limits.face_pixels / width / strength)


def known(code: str, person: Person, seen: Look, strength: float) -> tuple[Picture, float]:
    """A picture spoiled by some strength, and its true value in units of the limit."""
    if code == "cut_off":
        mesh = seen.faces[0].face.mesh[:, 0]
        share = 0.15 * strength
        edge = round(mesh.min() + share * np.ptp(mesh))
        return np.ascontiguousarray(person.picture[:, max(0, edge) :]), (max(0, edge) - mesh.min()) / np.ptp(mesh)
    gain = 0.25 * strength if code == "dark" else 1.2 * strength
    picture = photos_people.exposed(person.picture, gain)
    skin = picture[person.skin]
    if code == "dark":
        return picture, float(np.percentile(skin @ np.array([0.299, 0.587, 0.114]), 90))
    return picture, float((skin[:, :2] >= 250).all(axis=1).mean())


def pose(faces: Faces, given: argparse.Namespace) -> Iterator[Row]:
    """Heads turned by a known angle; pitch is judged as the check does it, beside three more photos of the sitter."""
    limits, quick = Limits(), Unnamed(faces)
    count = 4 * given.count
    usual = pitches_beside(count, "measure", given.seed, quick, limits)
    for code, kind in (("profile", "yaw"), ("pitched", "pitch")):
        score = Score()
        for person in photos_people.draw(kind, count, 1, "measure", given.seed):
            value, limit = abs(person.yaw if kind == "yaw" else person.pitch), TRUE[code]
            seen = look(Path("p"), person.picture, quick, limits)
            if abs(value - limit) > BAND * limit and (seen.faces or value > limit):
                told_so = told(code, seen) if kind == "yaw" else told_pitch(seen, usual[person.sitter], limits)
                score.add(value > limit, told_so)
        yield from score.rows(code)


def pitches_beside(sitters: int, which: str, seed: int, faces: Unnamed, limits: Limits) -> dict[int, list[float]]:
    """Pitches of three more photos of each sitter whose pitched photo is measured."""
    found: dict[int, list[float]] = defaultdict(list)
    for person, seen in with_face(photos_people.draw("beside", sitters, 3, which, seed), faces, limits):
        found[person.sitter].append(seen.faces[0].face.pitch)
    return found


def told_pitch(seen: Look, others: Sequence[float], limits: Limits) -> bool:
    """Whether a photo among others of the sitter, of these pitches, is rejected for its own."""
    if not seen.faces:
        return True
    value = seen.faces[0].face.pitch
    return bool(pitched("p", value, limits, usual_pitch([*others, value], limits)))


def eyes(faces: Faces, given: argparse.Namespace) -> Iterator[Row]:
    """Eyes behind dark glasses, and closed ones as the check tells them: by what is usual for the sitter."""
    limits, quick = Limits(), Unnamed(faces)
    open_ones = with_face(plain(given), quick, limits)
    covered, closed = Score(), Score()
    dark = photos_people.draw("glasses", 3 * given.count, 1, "measure", given.seed)
    for person, seen in (*with_face(dark, quick, limits), *open_ones):
        covered.add(person.dark_glasses, told("occluded", seen))
    yield from covered.rows("occluded")
    shut = photos_people.draw("closed", given.count, 2, "measure", given.seed)
    sitters: dict[int, list[tuple[bool, float]]] = defaultdict(list)
    for person, seen in (*open_ones, *with_face(shut, quick, limits)):
        sitters[person.sitter].append((person.closed, seen.faces[0].opening))
    for photos in sitters.values():
        least = limits.closed * float(np.median([opening for _, opening in photos]))
        for is_closed, opening in photos:
            closed.add(is_closed, opening < least)
    yield from closed.rows("closed_eyes")


def turned(faces: Faces, given: argparse.Namespace) -> Iterator[Row]:
    """Pictures turned by any angle: how far from upright a face is once the check's turns and roll are taken back."""
    random, limits, quick = np.random.default_rng(given.seed), Limits(), Unnamed(faces)
    errors, missed, score = [], 0, Score()
    for person, _ in with_face(plain(given), quick, limits):
        for _ in range(3):
            angle = float(random.uniform(-180, 180))
            seen = look(Path("p"), photos_people.rotated(person.picture, angle), quick, limits)
            if not seen.faces:
                missed += 1
                continue
            found = seen.faces[0].face.roll + 90 * seen.turns
            errors.append(abs((found - angle - person.roll + 180) % 360 - 180))
            tilt = abs((angle + person.roll + 45) % 90 - 45)
            if abs(tilt - TRUE["rolled"]) > BAND * TRUE["rolled"]:
                score.add(tilt > TRUE["rolled"], told("rolled", seen))
    values = np.array(errors)
    yield from score.rows("rolled")
    yield bar(
        "upright within 3 degrees, of turned pictures with a face found", float((values <= UPRIGHT).mean()), SHARE
    )
    yield note("degrees from upright, median", float(np.median(values)), digits=2)
    yield note("turned by a wrong quarter", int((values > 45).sum()), f"of {len(values)}")
    yield note("no face found in the turned picture", missed, f"of {len(values) + missed}")


def several(faces: Faces, given: argparse.Namespace) -> Iterator[Row]:
    """Copies of a shot against other photos of the sitter; and a stranger among five photos of a sitter."""
    from portraitist.photos import check_photos
    from portraitist.photos.duplicates import Shot, same_shot

    limits, drawn = Limits(), plain(given)

    def shot(picture: Picture) -> Shot | None:
        seen = look(Path("p"), picture, faces, limits)
        if not seen.faces or seen.hashes is None:
            return None
        face = seen.faces[0]
        return Shot("p", seen.hashes, face.hashes, face.embedding, face.face.box.width)

    score, shots = Score(), [shot(person.picture) for person in drawn]
    for number, (person, one) in enumerate(zip(drawn, shots, strict=True)):
        for other, two in zip(drawn[:number], shots[:number], strict=True):
            if one and two and other.sitter == person.sitter:
                score.add(False, same_shot(one, two, limits))
        for copy in photos_people.copies(person.picture).values() if number % 2 == 0 else ():
            if one and (two := shot(copy)):
                score.add(True, same_shot(one, two, limits))
    yield from score.rows("duplicate")
    others = Score()
    with tempfile.TemporaryDirectory() as place:
        for sitter in sorted({person.sitter for person in drawn}):
            own = [person.picture for person in drawn if person.sitter == sitter]
            stranger = next(person.picture for person in drawn if person.sitter != sitter)
            paths = [_written(Path(place), f"{sitter}-{i}.png", p) for i, p in enumerate([*own, stranger])]
            for i, photo in enumerate(check_photos(paths, faces, limits=limits).photos):
                if photo.face is not None:
                    others.add(i == len(own), any(reason.code == "other_person" for reason in photo.reasons))
    yield note("other_person: strangers found", f"{others.hit} of {others.hit + others.missed}")
    yield note("other_person: own photos refused", f"{others.false} of {others.false + others.right}")


def _written(folder: Path, name: str, picture: Picture) -> Path:
    from portraitist.images import save_png

    return save_png(folder / name, picture, made=False)


def speed(faces: Faces, given: argparse.Namespace) -> Iterator[Row]:
    """JPEGs of 4032 x 3024 pixels with a little noise, faces of a third of their height."""
    from portraitist.images import save_jpeg
    from portraitist.photos import check_photos

    drawn = photos_people.draw("plain", 4, 3, "measure", given.seed)
    with tempfile.TemporaryDirectory() as place:
        for number in range(given.large):
            random = np.random.default_rng([given.seed, number])
            tall = photos_people.scaled(drawn[number % len(drawn)].picture, 3024 / photos_people.SIDE)
            wide = np.pad(tall, ((0, 0), (504, 504), (0, 0)), mode="edge")
            save_jpeg(Path(place) / f"{number:03d}.jpg", photos_people.noisy(wide, 3.0, random), quality=90, made=False)
        start, spent = time.perf_counter(), time.process_time()
        checked = check_photos([Path(place)], faces)
        seconds, cpu = time.perf_counter() - start, time.process_time() - spent
    yield bar(
        f"{given.large} photos of 12 megapixels judged",
        seconds,
        SECONDS * given.large / 100,
        "s",
        digits=1,
        at_most=True,
    )
    yield note("processor time of it", cpu, "s", digits=1)
    yield note("faces found in them", sum(photo.face is not None for photo in checked.photos))


PARTS = {
    "labels": labels, "quality": quality, "pose": pose, "eyes": eyes, "turned": turned, "several": several,
    "speed": speed,
}  # fmt: skip


if __name__ == "__main__":
    common.run(main)
