"""Reads and checks the TOML of the library: bases, recipes, styles. An unknown key is an error.

The library is a folder of data beside the code; a user's own files (`extra` folders) come first. What the numbers mean
is the business of those who use them.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from portraitist.errors import BadFile, UnknownName, key_fault
from portraitist.types import Strict

T = TypeVar("T")

Framing = Literal["close", "head", "half", "full"]
Layers = Literal["all", "attention"]
OptimizerName = Literal["adamw", "adamw8bit", "prodigy", "adafactor", "lion"]
Schedule = Literal[
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "piecewise_constant",
]

LIBRARY = Path(__file__).parent / "library"

_ABOVE_NOTHING = (
    "rank", "alpha", "learning_rate", "batch", "visits_per_photo", "max_visits", "checkpoints", "crops_per_photo",
    "smallest_crop", "background_weight", "schedule_cycles", "schedule_power", "choose_steps", "choose_average",
)  # fmt: skip
_NOTHING_OR_MORE = (
    "text_learning_rate", "warmup", "weight_decay", "max_grad_norm", "min_visits", "repeats", "epochs", "keep_tags",
    "prior_every", "prior_weight", "class_images", "class_weight", "noise_offset", "choose_pictures", "choose_patience",
)  # fmt: skip
_SHARES = ("caption_dropout", "tag_dropout", "ema", "text_until", "smallest_crop", "choose_from")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_RULE = re.compile(r"\d+(\.\d+)?:\d+")


@dataclass(frozen=True)
class Base(Strict):
    """A diffusion model to train on: `library/bases/<name>.toml`.

    `source` is `package:<folder in the library's package>`, `file:<folder or safetensors file>` or `hf:<owner>/<name>`
    (then `files` of its `revision` are fetched, about `megabytes`); `size` the native (width, height); `buckets`
    further sizes; `sha256` pins files by their path inside the source. `configs` is a `package:` or `file:` folder with
    the configurations of a single file's parts, where it is not built like its family; `checksum` the sha256 of the
    weights of a base that was given by its path.
    """

    name: str
    family: str
    source: str
    version: str
    size: tuple[int, int]
    recipe: str
    title: str = ""
    licence: str = ""
    buckets: tuple[tuple[int, int], ...] = ()
    sampler: str = "dpmpp_2m_karras"
    steps: int = 20
    cfg: float = 4.5
    clip_skip: int = 1
    negative: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    configs: str = ""
    checksum: str = ""
    files: tuple[str, ...] = ()
    revision: str = "main"
    megabytes: int = 0


@dataclass(frozen=True)
class Recipe(Strict):
    """The numbers that a training runs with: `library/recipes/<name>.toml`. Rates are per step; docs/recipes.md says
    more of each.

    A visit is one look at one photo; a step trains `batch` of them. `visits_per_photo` times the photos, between
    `min_visits` and `max_visits`, are the visits of a training; or, as kohya's scripts count, `repeats` times `epochs`
    of each photo, with no limits. `smallest_crop` is a share of the photo's side, `framing` how much of the sitter the
    crops show (`close`: face and shoulders, cut by `photos.random_crops`; the others: `photos.framing`).

    Captions: with the chance of `caption_dropout` a step sees none, with that of `tag_dropout` a tag is left out, with
    `shuffle_tags` they come in a new order each time; the first `keep_tags` (trigger and class word are the first)
    stay where they are. `tokens` is the room for a caption: longer ones are cut, shorter ones filled up; None: as many
    chunks of 75 as the longest needs. `clip_skip` None is the base's.

    Loss: `background_weight` is the weight outside the person (inside it is 1; at 1 there is no mask; 0.2 lies between
    the 0.1 and 0.3 that other trainers take), `background_target` whether the photo or the bare base's own answer is
    learned there. `prior_every` n makes each n-th step one that holds the class word to what the bare base answers (0:
    none), `prior_weight` adds that to each step instead. `class_images` pictures a photo are drawn by the base from
    `class_prompt` ({class} is the class word), and each step also looks at `batch` of them, with `class_weight`.
    `min_snr_gamma` None weighs all noise levels alike.

    `layers` are those of the denoiser that learn: all of the family's targets, or only those of attention.

    Optimiser: `text_learning_rate` None is half of the other (with `prodigy` the same), `text_until` the share of the
    steps after which the text encoder rests; `schedule` has the names of diffusers, `schedule_cycles`,
    `schedule_power` and `schedule_rules` ("1:100,0.1:200,0.01") go with `cosine_with_restarts`, `polynomial` and
    `piecewise_constant`. `ema` is the decay of the average that is kept (0: none).

    `checkpoints` are spread evenly. With `choose_pictures` n each one behind the share `choose_from` of the training
    draws n pictures in `choose_steps` sampler steps, and the best becomes the likeness (see `training.choose`; 0: the
    last one does); `choose_patience` of them in a row that are no better end the training (0: never), and the mean of
    the best `choose_average` is tried too.
    """

    name: str
    title: str = ""
    rank: int = 32
    alpha: float = 32.0
    layers: Layers = "all"
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 1e-4
    text_learning_rate: float | None = None
    train_text: bool = True
    text_until: float = 1.0
    schedule: Schedule = "cosine"
    schedule_cycles: int = 1
    schedule_power: float = 1.0
    schedule_rules: str = ""
    warmup: int = 0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    ema: float = 0.0
    batch: int = 1
    visits_per_photo: int = 200
    min_visits: int = 0
    max_visits: int = 4000
    repeats: int = 0
    epochs: int = 0
    crops_per_photo: int = 4
    framing: Framing = "head"
    smallest_crop: float = 0.85
    flip: bool = True
    caption_dropout: float = 0.0
    tag_dropout: float = 0.0
    shuffle_tags: bool = False
    keep_tags: int = 1
    tokens: Literal[75, 150, 225] | None = None
    clip_skip: int | None = None
    noise_offset: float = 0.0
    min_snr_gamma: float | None = None
    background_weight: float = 0.2
    background_target: Literal["photo", "base"] = "photo"
    prior_every: int = 0
    prior_weight: float = 0.0
    class_images: int = 0
    class_prompt: str = "photo of a {class}"
    class_weight: float = 1.0
    checkpoints: int = 4
    choose_pictures: int = 0
    choose_steps: int = 10
    choose_from: float = 0.5
    choose_patience: int = 2
    choose_average: int = 1
    strength: float = 1.0


def check_recipe(recipe: Recipe) -> None:
    """Raises BadFile that names the first number that makes no sense."""
    for name in _ABOVE_NOTHING:
        _demand(recipe, name, getattr(recipe, name) > 0, "greater than 0")
    for name in _NOTHING_OR_MORE:
        _demand(recipe, name, (getattr(recipe, name) or 0) >= 0, "0 or more")
    for name in _SHARES:
        _demand(recipe, name, 0 <= getattr(recipe, name) <= 1, "between 0 and 1")
    _demand(recipe, "min_snr_gamma", recipe.min_snr_gamma is None or recipe.min_snr_gamma > 0, "greater than 0")
    _demand(recipe, "clip_skip", recipe.clip_skip is None or recipe.clip_skip > 0, "1 or more")
    _demand(recipe, "betas", all(0 <= beta < 1 for beta in recipe.betas), "from 0 to below 1")
    _demand(recipe, "epochs", bool(recipe.repeats) == bool(recipe.epochs), "given together with repeats")
    if recipe.optimizer == "prodigy":
        same = not recipe.train_text or recipe.text_learning_rate in (None, 0, recipe.learning_rate)
        _demand(recipe, "text_learning_rate", same, "0 or that of learning_rate with prodigy, which knows one rate")
    if recipe.schedule == "piecewise_constant":
        parts = recipe.schedule_rules.split(",")
        right = all(_RULE.fullmatch(part.strip()) for part in parts[:-1]) and bool(_NUMBER.fullmatch(parts[-1].strip()))
        _demand(recipe, "schedule_rules", right, 'such as "1:100,0.1:200,0.01"')


def _demand(recipe: Recipe, name: str, fulfilled: bool, what: str) -> None:
    if not fulfilled:
        raise BadFile(f"Recipe {recipe.name!r}: {name} must be {what}.")


def visits(recipe: Recipe, photos: int) -> int:
    """How many looks at a photo a training on so many photos takes."""
    if recipe.epochs:
        return recipe.repeats * recipe.epochs * photos
    return min(recipe.max_visits, max(recipe.min_visits, recipe.visits_per_photo * photos))


Group = Literal["woman", "man", "child", "pet"]
"""Whom a style suits, and for whom its words differ."""

GROUPS: tuple[Group, ...] = ("woman", "man", "child", "pet")


@dataclass(frozen=True)
class StyleOn(Strict):
    """What a style says otherwise on one base or family: `[on.<name>]` in its TOML. None: as the style says."""

    prompt: str | None = None
    negative: str | None = None
    size: tuple[int, int] | None = None
    sampler: str | None = None
    steps: int | None = None
    cfg: float | None = None
    strength: float | None = None
    lora: str | None = None
    lora_strength: float | None = None


@dataclass(frozen=True)
class Style(Strict):
    """A look: `library/styles/<name>/style.toml`. docs/styles.md says more of each key.

    In the prompt `{sitter}` is the trigger and class word, `{class}` the class word alone; any other slot is filled
    from `words`, by the sitter's group or with what stands under `any`, and left out where there is neither. `suits`
    are the groups that it is for. `on` holds what differs by base or family; the base's own entry beats its family's.

    `bases` are the names of bases or families that it is for (none: all), `not_for` those that cannot draw it. `shown`:
    a training shows a portrait in it by itself. `tags` are those that tell a picture in it, in Danbooru's spelling.
    """

    name: str
    prompt: str
    title: str = ""
    title_zh: str = ""
    negative: str = ""
    photo: bool = True
    strength: float | None = None
    sampler: str | None = None
    steps: int | None = None
    cfg: float | None = None
    size: tuple[int, int] | None = None
    bases: tuple[str, ...] = ()
    lora: str | None = None
    lora_strength: float | None = None
    about: str = ""
    suits: tuple[Group, ...] = GROUPS
    not_for: tuple[str, ...] = ()
    shown: bool = False
    tags: tuple[str, ...] = ()
    words: Mapping[str, Mapping[Literal["any", "woman", "man", "child", "pet"], str]] = field(default_factory=dict)
    on: Mapping[str, StyleOn] = field(default_factory=dict)


_SHELVES: Mapping[type[Any], tuple[str, str]] = {
    Base: ("bases", "{}.toml"),
    Recipe: ("recipes", "{}.toml"),
    Style: ("styles", "{}/style.toml"),
}


def read_toml(path: Path, kind: type[T]) -> T:
    """Read `path` as a `kind` (a frozen dataclass). Raises BadFile that names the file and the key."""
    return _read(path, TypeAdapter(kind))


def _read(path: Path, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFile(f"{path} cannot be read as TOML: {error}.", hint="Mend the file or move it away.") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise BadFile(f"{path}: key {key_fault(first['loc'], first['type'], first['msg'])}.") from error


def names(kind: type[T], extra: Sequence[Path] = ()) -> tuple[str, ...]:
    """The names on the shelf of `kind`, sorted."""
    shelf, pattern = _SHELVES[kind]
    found = set()
    for root in (*extra, LIBRARY):
        for path in (root / shelf).glob(pattern.format("*")):
            found.add(path.parent.name if "/" in pattern else path.stem)
    return tuple(sorted(found))


def find(kind: type[T], name: str, extra: Sequence[Path] = ()) -> T:
    """The base, recipe or style called `name`; a path to a TOML file is taken too. Raises UnknownName or BadFile."""
    if name.endswith(".toml"):
        return read_toml(Path(name), kind)
    shelf, pattern = _SHELVES[kind]
    path = _on_shelf(shelf, pattern.format(name), extra)
    if path is None:
        raise UnknownName(kind.__name__.lower(), name, names(kind, extra))
    return read_toml(path, kind)


def find_all(kind: type[T], extra: Sequence[Path] = ()) -> tuple[T, ...]:
    """All on the shelf of `kind`, by name; quicker than to find one after the other. Raises BadFile."""
    found, broken = find_each(kind, extra)
    if broken:
        raise broken[0]
    return found


def find_each(kind: type[T], extra: Sequence[Path] = ()) -> tuple[tuple[T, ...], tuple[BadFile, ...]]:
    """All on the shelf of `kind` that can be read, by name, and what is wrong with the others."""
    adapter = TypeAdapter(kind)
    shelf, pattern = _SHELVES[kind]
    found, broken = [], []
    for name in names(kind, extra):
        place = _on_shelf(shelf, pattern.format(name), extra)
        try:
            found += [_read(place, adapter)] if place is not None else []
        except BadFile as error:
            broken.append(error)
    return tuple(found), tuple(broken)


def names_on(shelf: str, extra: Sequence[Path] = ()) -> tuple[str, ...]:
    """The names on a shelf whose kind is known only to those who read it, sorted."""
    return tuple(sorted({path.stem for root in (*extra, LIBRARY) for path in (root / shelf).glob("*.toml")}))


def find_on(shelf: str, kind: type[T], name: str, extra: Sequence[Path] = (), *, called: str) -> T:
    """`<shelf>/<name>.toml` as a `kind`; a path to a TOML file is taken too. `called` says what the shelf holds.

    Raises UnknownName or BadFile.
    """
    path = Path(name) if name.endswith(".toml") else _on_shelf(shelf, f"{name}.toml", extra)
    if path is None:
        raise UnknownName(called, name, names_on(shelf, extra))
    return read_toml(path, kind)


def _on_shelf(shelf: str, file: str, extra: Sequence[Path]) -> Path | None:
    for root in (*extra, LIBRARY):
        path = root / shelf / file
        if path.resolve().is_relative_to((root / shelf).resolve()) and path.is_file():
            return path
    return None
