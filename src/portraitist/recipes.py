"""Reads and checks the TOML of the library: bases, recipes, styles. An unknown key is an error.

The library is a folder of data beside the code; a user's own files (`extra` folders) come first. What the numbers mean
is the business of those who use them.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from portraitist.errors import BadFile, UnknownName

T = TypeVar("T")

Framing = Literal["close", "head", "half", "full"]

LIBRARY = Path(__file__).parent / "library"


class _Strict:
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Base(_Strict):
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
class Recipe(_Strict):
    """The numbers that a training runs with: `library/recipes/<name>.toml`. Rates are per step.

    A visit is one look at one photo; a step trains `batch` of them. `smallest_crop` is a share of the photo's side,
    `framing` how much of the sitter the crops show (`close`: face and shoulders, cut by `photos.random_crops`; the
    others: `photos.framing`), `background_weight` the weight of the loss outside the person (inside it is 1; at 1 there
    is no mask; 0.2 lies between the 0.1 and 0.3 that other trainers take), `prior_every` n makes each n-th step one
    that holds the class word to what the bare base answers (0: none), `ema` the decay of the average that is kept (0:
    none).

    `checkpoints` are spread evenly. With `choose_pictures` n each one behind the share `choose_from` of the training
    draws n pictures in `choose_steps` sampler steps, and the best becomes the likeness (see `training.choose`; 0: the
    last one does); `choose_patience` of them in a row that are no better end the training (0: never), and the mean of
    the best `choose_average` is tried too.
    """

    name: str
    title: str = ""
    rank: int = 32
    alpha: float = 32.0
    learning_rate: float = 1e-4
    text_learning_rate: float | None = None
    train_text: bool = True
    schedule: Literal["cosine", "constant", "linear"] = "cosine"
    warmup: int = 0
    batch: int = 1
    visits_per_photo: int = 200
    min_visits: int = 0
    max_visits: int = 4000
    crops_per_photo: int = 4
    framing: Framing = "head"
    smallest_crop: float = 0.85
    flip: bool = True
    caption_dropout: float = 0.0
    tag_dropout: float = 0.0
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    noise_offset: float = 0.0
    min_snr_gamma: float | None = None
    background_weight: float = 0.2
    prior_every: int = 0
    ema: float = 0.0
    checkpoints: int = 4
    choose_pictures: int = 0
    choose_steps: int = 10
    choose_from: float = 0.5
    choose_patience: int = 2
    choose_average: int = 1
    strength: float = 1.0


@dataclass(frozen=True)
class Style(_Strict):
    """A look: `library/styles/<name>/style.toml`. `{sitter}` in the prompt is the trigger and class word."""

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


_SHELVES: Mapping[type[Any], tuple[str, str]] = {
    Base: ("bases", "{}.toml"),
    Recipe: ("recipes", "{}.toml"),
    Style: ("styles", "{}/style.toml"),
}


def read_toml(path: Path, kind: type[T]) -> T:
    """Read `path` as a `kind` (a frozen dataclass). Raises BadFile that names the file and the key."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(kind).validate_python(values)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFile(f"{path} cannot be read as TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadFile(f"{path}: key {key!r} is wrong ({first['msg'].lower()}).") from error


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
