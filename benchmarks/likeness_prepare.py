"""The first third of likeness.py: sitters, their photos, and what a training is given. Needs the faces and the tagger.

A sitter's job is a small folder, so that it can be sent to a machine that has neither: the training photos, lossless,
and `job.json` with captions, crops as matrices into the photos, and the names of the photos that were held out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import common
from mini import people, tags
from portraitist.captions.tags import load_rules, words_prompt
from portraitist.images import read_picture, save_png, to_pil, transform
from portraitist.requests import TrainRequest
from portraitist.types import Size, derive_seed

if TYPE_CHECKING:
    from portraitist.captions.tagger import Tagger
    from portraitist.faces import Faces
    from portraitist.recipes import Base
    from portraitist.types import Picture

# (gender, age, skin) as mini draws them: mixed on purpose, not by chance
PLANS = {
    "measuring": (
        people.MEASURING + 500,
        ((0, 1, 0), (1, 1, 3), (0, 2, 1), (1, 0, 0), (0, 1, 3), (1, 1, 1), (0, 0, 2), (1, 2, 0), (0, 1, 2), (1, 1, 2)),
    ),
    "tuning": (people.MEASURING + 700_000, ((0, 1, 1), (1, 1, 0), (1, 2, 2), (0, 1, 3))),
}
OTHERS, PHOTOS, SPARE, UNSEEN = 50, 8, 14, 8
CROPS = 8  # of each photo, in the job; a recipe takes as many of them, from the first, as it asks for


@dataclass(frozen=True)
class JobPicture:
    """A training photo: its file in the job's folder, its caption, and (2, 3) matrices from crops to its pixels."""

    file: str
    caption: str
    crops: tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True)
class Job:
    """What is known of a sitter before the training. `held_out` and `known` are names of renders; `words` is what words
    can say of the sitter."""

    identity: int
    class_word: str
    trigger: str
    words: str
    seed: int
    size: tuple[int, int]
    captioner: str
    held_out: tuple[str, ...]
    known: tuple[str, ...]
    pictures: tuple[JobPicture, ...]

    @property
    def sitter(self) -> str:
        return f"s{self.identity}"


def choose_sitters(whose: str, count: int | None = None) -> list[int]:
    """The first identities of the plan's range that fit the plan, one for each of its lines."""
    first, plan = PLANS[whose]
    numbers = np.arange(first, first + 5000)
    drawn = people.draw(numbers, np.zeros_like(numbers))
    kinds = np.stack([drawn.gender, drawn.age, drawn.skin], axis=1)
    found: list[int] = []
    for kind in islice(cycle(plan), count or len(plan)):
        fits = (int(n) for n, own in zip(numbers, kinds, strict=True) if tuple(own) == kind and int(n) not in found)
        found.append(next(fits))
    return found


def prepare(given: argparse.Namespace) -> None:
    """Draw what each sitter needs and write the jobs that are not there yet."""
    device, sitters = common.device_name(given.device), choose_sitters(given.sitters, given.count)
    missing = [identity for identity in sitters if not job_file(given.work, identity).is_file()]
    faces = common.load_faces() if missing and not given.draw_only else None
    tagger = load_tagger(device, given.base) if faces else None
    for number, identity in enumerate(sitters):
        for whose, seeds in all_renders(identity, given).values():
            render(whose, seeds, given.work, device)
        if faces and tagger and identity in missing:
            write_job(identity, given, faces, tagger)
        common.progress("sitters prepared", number + 1, len(sitters))


def load_tagger(device: str, base: Path | None) -> Tagger:
    """The tagger beside the base; where a new base has none yet, the embedded one."""
    return common.load_tagger(device, base if base and (base / "tagger").is_dir() else None)


# Renders


def render(identities: Sequence[int], seeds: Sequence[int], work: Path, device: str) -> list[Picture]:
    """Renders in the photo look, each drawn once and kept in `work`."""
    from mini.renderer import Renderer

    pairs = list(zip(identities, seeds, strict=True))
    files = {pair: work / "renders" / f"{pair[0]}-{pair[1]}.png" for pair in pairs}
    missing = [pair for pair in dict.fromkeys(pairs) if not files[pair].exists()]
    renderer = Renderer(device) if missing else None
    for start in range(0, len(missing), 8):
        part = missing[start : start + 8]
        drawn = people.draw(np.array([who for who, _ in part]), np.array([seed for _, seed in part]), "photo")
        for pair, picture in zip(part, renderer(drawn).rgb.cpu().numpy() if renderer else (), strict=True):
            save_png(files[pair], picture, made=False)
    return [read_picture(files[pair]) for pair in pairs]


def all_renders(identity: int, given: argparse.Namespace) -> dict[str, tuple[list[int], list[int]]]:
    """(identities, seeds) of the renders that one sitter needs: as photos, as unseen photos, of others."""
    others = strangers(identity, 10 if given.quick else OTHERS)
    count, first = 4 if given.quick else UNSEEN, given.seed * 1000
    drawn = SPARE + max(0, given.photos - PHOTOS)
    return {
        "photos": ([identity] * drawn, [first + i for i in range(drawn)]),
        "unseen": ([identity] * count, [first + 500 + i for i in range(count)]),
        "others": (others, [0] * len(others)),
    }


def strangers(identity: int, count: int) -> list[int]:
    """Others of the same gender, age band, skin and hair colour."""
    numbers = np.arange(people.MEASURING + 10_000, people.MEASURING + 90_000)
    drawn, own = people.draw(numbers, np.zeros_like(numbers)), people.draw(np.array([identity]), np.array([0]))
    same = np.ones(len(numbers), bool)
    for name in ("gender", "age", "skin", "hair"):
        same &= getattr(drawn, name) == getattr(own, name)[0]
    return [int(number) for number in numbers[same][:count]]


def identity_tags(identity: int) -> list[str]:
    """The renderer's own words for who somebody is."""
    drawn = people.draw(np.array([identity]), np.array([0]))
    return [tag for tag, there in zip(tags.TAGS, drawn.scene[0], strict=True) if there and tag in tags.IDENTITY_TAGS]


# Jobs


def job_file(work: Path, identity: int) -> Path:
    return work / "jobs" / str(identity) / "job.json"


def mask_file(work: Path, identity: int, photo: str, place: int) -> Path:
    """Where the mask of a photo's crop number `place` lies: person in red, background in green."""
    return job_file(work, identity).with_name(f"{Path(photo).stem}-mask-{place}.webp")


def write_job(identity: int, given: argparse.Namespace, faces: Faces, tagger: Tagger) -> None:
    """Check, crop and caption the photos as `portraitist train` does, and write what the training needs."""
    from portraitist import preparing
    from portraitist.faces.masks import load_masker
    from portraitist.recipes import Base, Recipe, find
    from portraitist.settings import load_settings

    drawn = people.draw(np.array([identity]), np.array([0]))
    word = (("girl", "woman", "woman"), ("boy", "man", "man"))[int(drawn.gender[0])][int(drawn.age[0])]
    photos = tuple(str(photo) for photo in choose_photos(identity, given, faces))
    request = TrainRequest(f"s{identity}", photos, class_word=word, seed=given.seed)
    base = find(Base, "mini")
    settings = load_settings()
    masker = load_masker(settings.models_folder / "faces", settings.faces)
    checked = preparing.check(request, settings, faces)
    recipe = find(Recipe, base.recipe)
    if given.masks:  # the crops are the same with masks and without
        recipe = replace(recipe, background_weight=0.2)
    prepared = preparing.prepare(request, checked, base, recipe, tagger, masker)
    file = job_file(given.work, identity)
    file.parent.mkdir(parents=True, exist_ok=True)
    pictures = []
    for number, (photo, told) in enumerate(zip(prepared.training, prepared.set, strict=True)):
        name = f"{number + 1:02d}.webp"
        picture = read_picture(photo.path)
        to_pil(picture).save(file.parent / name, "WEBP", lossless=True)
        for place, mask in enumerate(told.masks):
            both = np.dstack([mask.person, mask.background, np.zeros_like(mask.person)])
            to_pil(both).save(mask_file(given.work, identity, name, place), "WEBP", lossless=True)
        pictures.append(JobPicture(name, told.caption, crops_of(photo, picture, told.crops, request, base, number)))
    job = Job(
        identity, word, request.trigger, words_prompt(identity_tags(identity), (), word, load_rules()), given.seed,
        base.size, prepared.captioner, tuple(photo.path.name for photo in prepared.held_out),
        tuple(photo.path.name for photo in prepared.training), tuple(pictures),
    )  # fmt: skip
    part = file.with_suffix(".part")
    part.write_text(json.dumps(asdict(job), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(file)


def crops_of(
    photo: Any, picture: Picture, cut: Sequence[Picture], request: TrainRequest, base: Base, number: int
) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """The matrices of the training's crops, proved on the pixels of those that the library cut."""
    from portraitist.photos import random_crops

    seed = derive_seed(request.seed, "crops", number)
    crops = random_crops(picture, photo.face, Size(*base.size), count=CROPS, seed=seed)
    if not all(np.array_equal(crop.picture, own) for crop, own in zip(crops, cut, strict=False)):
        sys.exit("The library cuts other crops than likeness_prepare.py expects: crops_of must follow preparing.py.")
    return tuple(tuple(tuple(float(value) for value in row) for row in crop.matrix) for crop in crops)


def choose_photos(identity: int, given: argparse.Namespace, faces: Faces) -> list[Path]:
    """The first renders that `check` accepts together, as a user would look out so many photos."""
    from portraitist.photos import check_photos

    wanted, (whose, seeds) = given.photos, all_renders(identity, given)["photos"]
    render(whose, seeds, given.work, common.device_name(given.device))
    files = [given.work / "renders" / f"{identity}-{seed}.png" for seed in seeds]
    for count in range(wanted, len(files) + 1):
        chosen = [photo.path for photo in check_photos(files[:count], faces).accepted][:wanted]
        # the others decide too who is meant and how open the eyes are: what is left must be accepted by itself
        if len(chosen) == wanted and len(check_photos(chosen, faces).accepted) == wanted:
            return chosen
    sys.exit(f"Of {len(files)} renders of {identity} fewer than {wanted} are accepted.")


def read_job(work: Path, identity: int) -> Job:
    """The job of a sitter; ends with a sentence where there is none."""
    from pydantic import TypeAdapter

    file = job_file(work, identity)
    if not file.is_file():
        sys.exit(f"{file} is missing: run the phase prepare first, where the face models are.")
    return TypeAdapter(Job).validate_json(file.read_bytes())


def read_crops(work: Path, job: Job, count: int) -> list[tuple[str, list[Picture]]]:
    """(caption, crops) of every training photo."""
    size = Size(*job.size)
    folder = job_file(work, job.identity).parent
    found = []
    for one in job.pictures:
        if count > len(one.crops):
            sys.exit(f"The jobs hold {len(one.crops)} crops a photo; the recipe asks for {count}.")
        picture = read_picture(folder / one.file)
        crops = [transform(picture, np.array(matrix), size) for matrix in one.crops[: max(1, count)]]
        found.append((one.caption, crops))
    return found


def read_masks(work: Path, job: Job, number: int, count: int) -> list[np.ndarray]:
    """What the loss of the crops of photo `number` weighs, as `TrainingPicture` has it; nothing if not prepared."""
    files = [mask_file(work, job.identity, job.pictures[number].file, place) for place in range(max(1, count))]
    if not all(file.is_file() for file in files):
        return []
    person, ground = zip(*((both[..., 0], both[..., 1]) for both in map(read_picture, files)), strict=True)
    return [
        ((1.0 * one - (255.0 - one - other)) / 255.0).astype(np.float32)
        for one, other in zip(person, ground, strict=True)
    ]
