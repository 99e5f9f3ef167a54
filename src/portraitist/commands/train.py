"""`portraitist train`: photos in, a likeness, portraits and a report out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from portraitist.commands import common
from portraitist.commands.check import Crop, Enlarge, Face, KeepAll, Kind, is_pet, parse_crops, parse_point
from portraitist.errors import BadRequest
from portraitist.files import make_folder

if TYPE_CHECKING:
    from portraitist.requests import Background, Framing, Report, Shape, TrainRequest

Choice = TypeVar("Choice", bound=str)

CLASS_WORDS = ("woman", "man", "girl", "boy", "person")
FRAMINGS: tuple["Framing", ...] = ("head", "half", "full")
SHAPES: tuple["Shape", ...] = ("auto", "square", "buckets")
BACKGROUNDS: tuple["Background", ...] = ("keep", "white")

Photos = Annotated[
    list[Path] | None,
    typer.Argument(help="Photos of one person: files, folders, archives (zip, tar).", show_default=False),
]
Sitter = Annotated[str, typer.Option("--sitter", help="The sitter's name.", show_default=False)]
ClassWord = Annotated[str, typer.Option("--class", help="woman, man, girl, boy or person; of a pet cat, dog …")]
Captioner = Annotated[
    str, typer.Option("--captioner", help="Who describes the photos; see portraitist captions models.")
]
TagRules = Annotated[str, typer.Option("--tag-rules", help="Which tags stay in captions: ours, lesson, facechain.")]
KeepTags = Annotated[list[str] | None, typer.Option("--keep-tag", help="Always keep this tag (* for any letters).")]
RemoveTags = Annotated[list[str] | None, typer.Option("--remove-tag", help="Never say this tag in a caption.")]
Framed = Annotated[str | None, typer.Option("--framing", help="head, half or full; the recipe's own unless given.")]
Shaped = Annotated[str, typer.Option("--shape", help="square, buckets (the shape that suits the photo) or auto.")]
Sized = Annotated[str | None, typer.Option("--size", metavar="WxH", help="To train at; the base's own unless given.")]
Memory = Annotated[str, typer.Option("--memory", help="GPU preset: auto, or gigabytes such as 6, 8, 12, 16, 24.")]
Ground = Annotated[str, typer.Option("--background", help="keep, or white: the head or the person alone on white.")]
Portraits = Annotated[
    int, typer.Option("--portraits", min=0, max=20, help="Portraits in each style; 0 for none, and no score.")
]
ClassImages = Annotated[
    Path | None,
    typer.Option("--class-images", help="Folder of others of the sitter's kind, looked at too."),
]
OnlyCaptions = Annotated[bool, typer.Option("--only-captions", help="Stop before the training, to see and edit them.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a stopped training; PHOTOS may be left out.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder for portraits, page and likeness, or a .safetensors file.")
]


def register(app: typer.Typer) -> None:
    app.command("train")(train)


def train(
    context: typer.Context,
    sitter: Sitter,
    photos: Photos = None,
    base: Annotated[str, typer.Option("--base", help="The base to train on.")] = "mini",
    recipe: Annotated[str | None, typer.Option("--recipe", help="The base's own unless given.")] = None,
    trigger: Annotated[str, typer.Option("--trigger", help="The word that will call the sitter.")] = "ohwx",
    class_word: ClassWord = "person",
    kind: Kind = "person",
    face: Face = None,
    crop: Crop = None,
    keep_all: KeepAll = False,
    captioner: Captioner = "auto",
    tag_rules: TagRules = "ours",
    keep_tags: KeepTags = None,
    remove_tags: RemoveTags = None,
    framing: Framed = None,
    shape: Shaped = "auto",
    background: Ground = "keep",
    enlarge: Enlarge = False,
    size: Sized = None,
    memory: Memory = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same photos, same likeness.")] = 42,
    class_images: ClassImages = None,
    portraits: Portraits = 1,
    only_captions: OnlyCaptions = False,
    resume: Resume = False,
    face_names: common.FaceNames = None,
    out: Out = None,
    as_json: common.Json = False,
) -> None:
    """Learn a sitter from photos: check, crop, caption, train, and show portraits in all styles."""
    from portraitist.requests import TrainRequest

    pet = is_pet(kind)
    settings = common.settings_of(context)
    given = photos or _kept(sitter, resume or captioner == "written", settings.home)
    request = TrainRequest(
        _name(sitter), tuple(map(str, given)), base, recipe, one_word(trigger), _class(class_word, pet),
        kind="pet" if pet else "person", seed=seed, face=_shares(face), keep_all=keep_all, captioner=captioner,
        tag_rules=tag_rules, keep_tags=tuple(keep_tags or ()), remove_tags=tuple(remove_tags or ()),
        faces=face_names or settings.faces, crops=parse_crops(crop, kind), enlarge=enlarge,
        class_images=None if class_images is None else str(class_images),
    )  # fmt: skip
    request = replace(_framed(request, framing, shape, background), size=_sized(size), memory=memory)
    if only_captions:
        _caption(request, context, as_json)
    else:
        run(request, context, resume=resume, per_style=portraits, out=out, as_json=as_json)


def run(
    request: "TrainRequest",
    context: typer.Context,
    *,
    resume: bool,
    per_style: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Train and answer; shared with `demo`."""
    from portraitist.pipeline import export_likeness, train_sitter

    settings = common.settings_of(context)
    faces = common.load_faces(settings, request.faces)
    file = out if out is not None and out.suffix == ".safetensors" else None
    folder = None if file is not None else out
    if file is not None:
        make_folder(file.parent)  # better told now than after the training
    with common.progress() as on_step:
        report = train_sitter(request, settings, faces, resume=resume, per_style=per_style, out=folder, on_step=on_step)
    place = folder if folder is not None else settings.home / "sitters" / request.sitter
    if file is not None:
        export_likeness(request.sitter, settings, file)
    common.answer(report, words_of(report, file or place), as_json)


def _caption(request: "TrainRequest", context: typer.Context, as_json: bool) -> None:
    """Write the training set and answer with its captions."""
    from portraitist.pipeline import train_sitter

    settings = common.settings_of(context)
    with common.progress() as on_step:
        faces = common.load_faces(settings, request.faces)
        report = train_sitter(request, settings, faces, only_captions=True, on_step=on_step)
    lines = [f"{photo}\n     {text}" for photo, text in report.captions.items()]
    lines.append(f"Change them: portraitist captions edit '{report.sitter}'; train with them: --captioner written")
    common.answer(report, "\n".join(lines), as_json)


def words_of(report: "Report", place: Path) -> str:
    """The report for people."""
    found = report.likeness
    lines = [f"{report.sitter}: {len(report.captions)} photos learned in {report.seconds.get('total', 0):.0f} s."]
    if found.score is not None:
        lines.append(f"Likeness {found.score:.2f} on photos that training never saw (0 = words, 1 = a photo).")
    else:
        lines.append(f"Likeness not measured. {found.reason or ''}".strip())
    lines.append(f"See {place / 'index.html'}" if place.suffix != ".safetensors" else f"Likeness: {place}")
    return "\n".join(lines)


def _shares(face: str | None) -> tuple[float, float] | None:
    point = parse_point(face)
    if point is not None and max(point) > 1:
        raise BadRequest("--face takes shares of width and height here, such as --face 0.5,0.4")
    return point


def _kept(sitter: str, resume: bool, home: Path) -> tuple[Path, ...]:
    """The photos that an earlier training of the sitter kept."""
    from portraitist.store.sitters import SitterStore

    if not resume:
        raise BadRequest("No photos are given.", hint="portraitist train PHOTOS --sitter NAME", code="no_photos")
    _, folder = SitterStore(home).load(sitter)
    return (folder.photos,)


def _name(sitter: str) -> str:
    from portraitist.store.sitters import check_name

    return check_name(sitter)


def one_word(word: str) -> str:
    """The trigger word, checked. Raises BadRequest."""
    clean = word.strip()
    if not clean or len(clean.split()) != 1 or "," in clean or len(clean) > 32:
        raise BadRequest(f"--trigger {word!r} is not one word.", hint="Use a short rare word, such as ohwx.")
    return clean


def _class(word: str, pet: bool) -> str:
    if pet:
        clean = "pet" if word == "person" else word.strip().lower()
        if not clean.replace("-", "").isalpha() or len(clean) > 32:
            raise BadRequest(f"--class {word!r} is not one word.", hint="Use a word such as cat, dog, horse or teapot.")
        return clean
    if word not in CLASS_WORDS:
        raise BadRequest(f"--class {word!r} is not known.", hint=f"Use one of {', '.join(CLASS_WORDS)}.")
    return word


def _sized(text: str | None) -> tuple[int, int] | None:
    from portraitist.commands.portrait import parse_size

    size = parse_size(text)
    if size is not None and any(side % 64 or not 64 <= side <= 2048 for side in size):
        raise BadRequest(f"--size {text} does not go.", hint="Both sides are multiples of 64 up to 2048.")
    return size


def _framed(request: "TrainRequest", framing: str | None, shape: str, background: str) -> "TrainRequest":
    return replace(
        request,
        framing=None if framing is None else _one_of("--framing", framing, FRAMINGS),
        shape=_one_of("--shape", shape, SHAPES),
        background=_one_of("--background", background, BACKGROUNDS),
    )


def _one_of(option: str, word: str, choices: Sequence[Choice]) -> Choice:
    found = next((choice for choice in choices if choice == word), None)
    if found is None:
        raise BadRequest(f"{option} {word!r} is not known.", hint=f"Use one of {', '.join(choices)}.")
    return found
