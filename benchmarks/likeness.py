"""Do the portraits look like the sitter? Ten sitters that nothing was trained on, from eight photos each.

    python benchmarks/likeness.py --out benchmarks/results/likeness.json --work out/likeness

For each sitter: eight renders as photos, `train` as a user would run it (two are held out), 16 portraits in the
photo-like styles, one in each painted style, before any ranking. The judge of `benchmarks/judge` marks; dlib's number,
which the studio ranks by, stands beside it. A sitter that is done lies in `--work` and is not made again, so a run that
was stopped goes on. What the columns mean: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import Row, bar, note
from mini import people, tags
from portraitist import ranking
from portraitist.captions.tags import load_rules, words_prompt
from portraitist.requests import Report, TrainRequest, from_json
from portraitist.types import derive_seed

if TYPE_CHECKING:
    from portraitist.captions.tagger import Tagger
    from portraitist.faces import Faces
    from portraitist.families.base import Model
    from portraitist.recipes import Style
    from portraitist.settings import Settings
    from portraitist.sitting import Sitting
    from portraitist.types import Embedding, Picture

FIRST = people.MEASURING + 500
OTHERS, PHOTOS, SPARE, PORTRAITS, UNSEEN, REQUEST = 50, 8, 14, 16, 8, 8
SCORE, WORST, TOP1, ADHERENCE, DIVERSITY = 0.5, 0.25, 0.9, 0.05, 0.8  # the bars
# (gender, age, skin) as mini draws them: mixed on purpose, not by chance
PLAN = ((0, 1, 0), (1, 1, 3), (0, 2, 1), (1, 0, 0), (0, 1, 3), (1, 1, 1), (0, 0, 2), (1, 2, 0), (0, 1, 2), (1, 1, 2))


def main() -> None:
    given = arguments()
    device = common.device_name(given.device)
    chosen = choose_sitters(given.count)
    if given.draw_only:
        for identity in chosen:
            for whose, seeds in all_renders(identity, given).values():
                render(whose, seeds, given.work, device)
        return
    studio = open_studio(given, device)
    rows: list[dict[str, Any]] = []
    for number, identity in enumerate(chosen):
        file = given.work / f"sitter-{identity}.json"
        if not file.exists():
            row = one_sitter(identity, given, studio)
            file.write_text(json.dumps(row, indent=2) + "\n")
        rows.append(json.loads(file.read_text()))
        common.progress("sitters", number + 1, len(chosen))
        print_row(rows[-1])
    common.finish(
        "likeness", given, [*rows, *summary(rows)], common.describe_machine(device), base=studio.model.base.version
    )


def arguments() -> argparse.Namespace:
    parser = common.options(__doc__, count=len(PLAN), of="sitters", seed=42)
    parser.add_argument("--work", type=Path, default=Path("out/likeness"), help="where finished sitters are kept")
    parser.add_argument("--draw-only", action="store_true", help="draw all renders into --work and end")
    parser.add_argument("--quick", action="store_true", help="fewer others and unseen photos: numbers for a look only")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    return given


@dataclass(frozen=True)
class Studio:
    """What every sitter needs, loaded once."""

    settings: Settings
    faces: Faces
    model: Model
    tagger: Tagger
    judge: Any
    styles: tuple[Style, ...]
    device: str


def open_studio(given: argparse.Namespace, device: str) -> Studio:
    from benchmarks.judge import Judge
    from portraitist.pipeline import styles_of
    from portraitist.settings import load_settings

    settings = load_settings()
    settings = settings.model_copy(
        update={"models": settings.models_folder, "home": given.work / "home", "device": given.device}
    )
    if given.base:
        use_base(given.work / "home", given.base)
    faces = common.load_faces()
    model = common.load_base(given.device, given.base)
    judge = Judge.load(faces=faces, device=device)
    tagger = common.load_tagger(device, given.base)
    return Studio(settings, faces, model, tagger, judge, styles_of(settings, model.base), device)


def use_base(home: Path, folder: Path) -> None:
    """Let the home folder's own library say that mini lies in `folder`."""
    from portraitist.recipes import LIBRARY, Base, find

    text = (LIBRARY / "bases" / "mini.toml").read_text(encoding="utf-8").split("[sha256]")[0]
    (home / "library" / "bases").mkdir(parents=True, exist_ok=True)
    text = text.replace(f'"{find(Base, "mini").source}"', f'"file:{folder.resolve()}"')
    (home / "library" / "bases" / "mini.toml").write_text(text, encoding="utf-8")


def choose_sitters(count: int) -> list[int]:
    """The first measuring identities that fit the plan, one for each of its lines."""
    numbers = np.arange(FIRST, FIRST + 5000)
    drawn = people.draw(numbers, np.zeros_like(numbers))
    kinds = np.stack([drawn.gender, drawn.age, drawn.skin], axis=1)
    found: list[int] = []
    for kind in islice(cycle(PLAN), count):
        fits = (int(n) for n, own in zip(numbers, kinds, strict=True) if tuple(own) == kind and int(n) not in found)
        found.append(next(fits))
    return found


def one_sitter(identity: int, given: argparse.Namespace, studio: Studio) -> dict[str, Any]:
    """Everything about one sitter: photos, training, portraits, marks."""
    start = time.monotonic()
    photos = write_photos(identity, given, studio)
    sitting, report, request = train(identity, photos, given, studio)
    held_out = [photo for photo in photos if photo.name in report.held_out]
    known = [photo for photo in photos if photo.name in report.captions]
    subject = words_prompt(identity_tags(identity), (), request.class_word, load_rules())
    made = portraits(sitting, subject, request, studio)
    marks = {name: mark(made, held_out, known, identity, given, studio, name) for name in ("judge", "dlib")}
    judge, dlib = marks["judge"], marks["dlib"]
    return {
        "sitter": identity, "class": request.class_word, "words": subject,
        "score": judge["score"], "score_dlib": dlib["score"], "painted": judge["painted"],
        "painted_dlib": dlib["painted"], "top1": judge["top1"], "top1_photos": judge["top1_photos"],
        "top1_dlib": dlib["top1"], "top1_photos_dlib": dlib["top1_photos"],
        "d_words": judge["d_words"], "d_same": judge["d_same"], "d_portraits": judge["d_portraits"],
        "one_face": round(float(np.mean([face is not None for face in made.faces("portraits", studio)])), 4),
        "adherence": adherence(made.portraits, studio), "adherence_base": adherence(made.words, studio),
        "diversity": spread(made.request), "diversity_base": spread(made.request_words),
        "base": studio.model.base.version, "captioner": report.versions.get("captioner"),
        "loss": report.training.loss[-1] if report.training else None,
        "train_s": report.seconds["train"], "total_s": round(time.monotonic() - start, 1),
    }  # fmt: skip


def identity_tags(identity: int) -> list[str]:
    """The renderer's own words for who somebody is."""
    drawn = people.draw(np.array([identity]), np.array([0]))
    return [tag for tag, there in zip(tags.TAGS, drawn.scene[0], strict=True) if there and tag in tags.IDENTITY_TAGS]


def render(identities: Sequence[int], seeds: Sequence[int], work: Path, device: str) -> list[Picture]:
    """Renders in the photo look, each drawn once and kept in `work`."""
    from mini.renderer import Renderer
    from portraitist.images import read_picture, save_png

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
    return {
        "photos": ([identity] * SPARE, [first + i for i in range(SPARE)]),
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


def write_photos(identity: int, given: argparse.Namespace, studio: Studio) -> list[Path]:
    """The first eight renders that `check` accepts together, as a user would look out eight photos."""
    from portraitist.photos import check_photos

    whose, seeds = all_renders(identity, given)["photos"]
    render(whose, seeds, given.work, studio.device)
    files = [given.work / "renders" / f"{identity}-{seed}.png" for seed in seeds]
    for count in range(PHOTOS, len(files) + 1):
        accepted = [photo.path for photo in check_photos(files[:count], studio.faces).accepted]
        if len(accepted) >= PHOTOS:
            return accepted[:PHOTOS]
    sys.exit(f"of {len(files)} renders of {identity} fewer than {PHOTOS} are accepted")


def train(
    identity: int, photos: Sequence[Path], given: argparse.Namespace, studio: Studio
) -> tuple[Sitting, Report, TrainRequest]:
    """Train as `portraitist train` does, and open the sitter for portraits."""
    from portraitist import measure, pipeline
    from portraitist.sitting import sit
    from portraitist.store.sitters import SitterStore

    drawn = people.draw(np.array([identity]), np.array([0]))
    word = (("girl", "woman", "woman"), ("boy", "man", "man"))[int(drawn.gender[0])][int(drawn.age[0])]
    files = tuple(str(photo) for photo in photos)
    request = TrainRequest(f"s{identity}", files, class_word=word, seed=given.seed)
    store = SitterStore(studio.settings.home)
    if store.folder(request.sitter).report.is_file():  # trained before the run was stopped
        report = from_json(Report, store.folder(request.sitter).report.read_bytes())
    else:
        resume = store.exists(request.sitter)
        report = pipeline.train_sitter(request, studio.settings, studio.faces, per_style=0, resume=resume)
    record, folder = store.load(request.sitter)
    return sit(folder, record, studio.model, measure.read_record(folder.faces)), report, request


@dataclass
class Marked:
    """The pictures of one sitter. `portraits` and `words` are (style, picture)."""

    portraits: list[tuple[Style, Picture]]
    painted: list[tuple[Style, Picture]]
    words: list[tuple[Style, Picture]]
    request: list[Picture]
    request_words: list[Picture]

    def faces(self, name: str, studio: Studio, by: str = "dlib") -> list[Embedding | None]:
        return embed([picture for _, picture in getattr(self, name)], studio, by)


def portraits(sitting: Sitting, subject: str, request: TrainRequest, studio: Studio) -> Marked:
    """Portraits of the sitter, and the same styles by the untrained base with true words in place of the sitter."""
    from portraitist.measure import words_pictures

    photo = [style for style in studio.styles if style.photo]
    painted = [style for style in studio.styles if not style.photo]
    ask = Asked(sitting, subject, request, studio)
    turn = list(islice(cycle(photo), PORTRAITS))
    words = words_pictures(subject, photo, studio.model, request.seed)
    return Marked(
        [(style, next(ask.sitter(style, number))) for number, style in enumerate(turn)],
        [(style, next(ask.sitter(style, 100 + number))) for number, style in enumerate(painted)],
        [(style, one.pixels) for style, one in zip(cycle(photo), words, strict=False)],
        list(ask.sitter(photo[0], 200, REQUEST)),
        list(ask.words(photo[0], 200, REQUEST)),
    )


@dataclass(frozen=True)
class Asked:
    """Makes requests of one sitter, with and without the likeness."""

    sitting: Sitting
    subject: str
    request: TrainRequest
    studio: Studio

    def sitter(self, style: Style, number: int, count: int = 1) -> Iterator[Picture]:
        return self._make(style, number, count, self.sitting.subject, self.sitting.lora)

    def words(self, style: Style, number: int, count: int = 1) -> Iterator[Picture]:
        return self._make(style, number, count, self.subject, None)

    def _make(self, style: Style, number: int, count: int, subject: str, lora: Any) -> Iterator[Picture]:
        from portraitist.generation.generate import generate
        from portraitist.generation.styled import with_style
        from portraitist.recipes import Recipe, find
        from portraitist.requests import PortraitRequest

        seed = derive_seed(self.request.seed, "likeness", number) % 2**32
        asked = PortraitRequest(self.sitting.folder.name, style.name, count=count, seed=seed)
        base = self.studio.model.base
        full = with_style(asked, style, subject, base, find(Recipe, base.recipe))
        return (portrait.pixels for portrait in generate(full, self.studio.model, lora))


def embed(pictures: Sequence[Picture], studio: Studio, by: str) -> list[Embedding | None]:
    """Faces in the judge's or dlib's space; None where there is not exactly one."""
    if by == "dlib":
        return [studio.faces.embed_only(picture) for picture in pictures]
    rows = studio.judge.embed(pictures)
    return [None if np.isnan(row).any() else row for row in rows]


def mark(
    made: Marked, held_out: Sequence[Path], known: Sequence[Path], identity: int, given: argparse.Namespace,
    studio: Studio, by: str,
) -> dict[str, Any]:  # fmt: skip
    """Score and identification of one sitter by one recogniser."""
    from portraitist.images import read_picture

    def photos(files: Sequence[Path]) -> list[Embedding]:
        return [face for face in embed([read_picture(file) for file in files], studio, by) if face is not None]

    references, own = photos(held_out), photos(known)
    words = [face for face in made.faces("words", studio, by) if face is not None]
    try:
        scale = ranking.make_scale(references, own, words)
    except ranking.NoScale as error:  # a base that draws no faces by words cannot be measured, and passes no bar
        print(f"{identity}, {by}: {error.message}", file=sys.stderr)
        return dict.fromkeys(("score", "painted", "top1", "top1_photos", "d_words", "d_same", "d_portraits"))
    faces, painted = made.faces("portraits", studio, by), made.faces("painted", studio, by)
    wanted = all_renders(identity, given)
    drawn = {name: render(*wanted[name], given.work, studio.device) for name in ("unseen", "others")}
    unseen = embed(drawn["unseen"], studio, by)
    others = [face[None] for face in embed(drawn["others"], studio, by) if face is not None]
    seen = [scale.distance(face) for face in faces if face is not None]
    return {
        "score": round(ranking.mean_score(scale, faces), 4), "painted": round(ranking.mean_score(scale, painted), 4),
        "top1": round(ranking.top1(faces, scale.references, others), 4),
        "top1_photos": round(ranking.top1(unseen, scale.references, others), 4),
        "d_words": round(scale.d_words, 4), "d_same": round(scale.d_same, 4),
        "d_portraits": round(float(np.mean(seen)), 4) if seen else None,
    }  # fmt: skip


def adherence(made: Sequence[tuple[Style, Picture]], studio: Studio) -> float:
    """Share of a style's words that the tagger finds, on the mean over the styles; only words that are tags count."""
    shares: dict[str, list[float]] = {}
    for (style, _), scores in zip(made, studio.tagger.scores([picture for _, picture in made]), strict=True):
        asked = [word.strip().replace(" ", "_") for word in style.prompt.split(",")]
        asked = [word for word in asked if word in scores]
        shares.setdefault(style.name, []).append(float(np.mean([scores[word] >= 0.5 for word in asked])))
    return round(float(np.mean([np.mean(share) for share in shares.values()])), 4)


def spread(pictures: Sequence[Picture]) -> float:
    """How much the pictures of one request differ: mean distance of their 32 x 32 miniatures, in grey levels."""
    from portraitist.images import resize
    from portraitist.types import Size

    small = np.stack([resize(picture, Size(32, 32)).astype(np.float64).ravel() for picture in pictures])
    distances = np.sqrt(((small[:, None] - small[None]) ** 2).mean(axis=2))
    return round(float(distances.sum() / (len(small) * (len(small) - 1))), 4)


def print_row(row: dict[str, Any]) -> None:
    scores = f"score {row['score']:.2f} (dlib {row['score_dlib']:.2f})"
    print(
        f"{row['sitter']} {row['class']:<6} {scores}  top-1 {row['top1']:.2f} of {row['top1_photos']:.2f}", flush=True
    )


def summary(rows: Sequence[dict[str, Any]]) -> list[Row]:
    """The bars, over all sitters; what could not be measured counts 0."""

    def mean(key: str) -> float:
        return float(np.mean([row[key] or 0.0 for row in rows]))

    return [
        bar("likeness score, mean", mean("score"), SCORE),
        bar("likeness score, worst sitter", min(row["score"] or 0.0 for row in rows), WORST),
        note("likeness score by dlib, mean", mean("score_dlib")),
        note("likeness score in painted styles, mean", mean("painted")),
        bar("top-1 as a share of the photos' rate", mean("top1") / max(mean("top1_photos"), 1e-9), TOP1),
        note("top-1 by dlib as a share of the photos' rate", mean("top1_dlib") / max(mean("top1_photos_dlib"), 1e-9)),
        bar("adherence, points under the base", mean("adherence_base") - mean("adherence"), ADHERENCE, at_most=True),
        bar("diversity as a share of the base's", mean("diversity") / max(mean("diversity_base"), 1e-9), DIVERSITY),
        note("pictures with exactly one face", mean("one_face")),
        note("seconds for a training, mean", mean("train_s"), "s"),
    ]


if __name__ == "__main__":
    main()
