"""Captioners by name: which there are, where their models come from, and how the right one is made for a training.

`library/captioners/<name>.toml` says a model's architecture, source and licence; a user's own library has the same
shelf, so another model of a known architecture is a file and no code. What the networks do is in sentences.py and
danbooru.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from pydantic import ConfigDict

from portraitist import hub
from portraitist.captions.describe import Captioner, NoCaptioner, TaggerCaptioner, TagsOf, doubt
from portraitist.captions.facts import FactsCaptioner
from portraitist.devices import Device
from portraitist.errors import BadRequest, MissingModel, UnfitModel, UnknownName
from portraitist.recipes import find_on, names_on
from portraitist.types import OnStep, Picture, no_progress
from portraitist.weights import verify

SHELF = "captioners"

EMBEDDED = ("auto", "tagger", "facts", "facts-words", "none", "written")
"""The captioners that fetch nothing."""

DOUBT_LIMIT = 0.06
"""Share of a tagger's tags that may be undecided, on the mean over the photos, before `auto` turns to the facts.

mini-2's tagger: 0.01 to 0.03 on sets of renders, 0.10 to 0.13 on sets of photographs. It goes with the weights.
"""

_TEXT_MODEL = ("config.json", "model*.safetensors", "model.safetensors.index.json?", "preprocessor_config.json?",
               "processor_config.json?", "generation_config.json?", "tokenizer.json", "tokenizer_config.json?",
               "special_tokens_map.json?", "added_tokens.json?", "vocab*?", "merges.txt?")  # fmt: skip

FILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "blip": _TEXT_MODEL,
        "blip2": _TEXT_MODEL,
        "florence2": _TEXT_MODEL,
        "wd14": ("model.onnx", "selected_tags.csv"),
        "wd14-safetensors": ("config.json", "model.safetensors", "preprocessor_config.json"),
        "deepdanbooru": ("deepdanbooru.onnx",),
    }
)


@dataclass(frozen=True)
class CaptionerModel:
    """A captioner's model: `library/captioners/<name>.toml`.

    `source` is `hf:owner/name` or `file:folder`, `sha256` pins files by name, `threshold` is the score from which on a
    tag is said, `prompt` what a sentence of at most `max_tokens` goes on from, `megabytes` what a fetch takes.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    architecture: Literal["blip", "blip2", "florence2", "wd14", "wd14-safetensors", "deepdanbooru"]
    source: str
    revision: str = "main"
    title: str = ""
    licence: str = "not stated"
    megabytes: int = 0
    threshold: float = 0.5
    prompt: str = ""
    max_tokens: int = 40
    sha256: Mapping[str, str] = field(default_factory=dict)


def captioners(extra: Sequence[Path] = ()) -> tuple[str, ...]:
    """The names of all captioners, those that fetch nothing first."""
    return (*EMBEDDED, *(name for name in names_on(SHELF, extra) if name not in EMBEDDED))


def find_model(name: str, extra: Sequence[Path] = ()) -> CaptionerModel | None:
    """The model behind a captioner's name, None for an embedded one. Raises BadRequest for an unknown name, BadFile."""
    if name in EMBEDDED:
        return None
    try:
        return find_on(SHELF, CaptionerModel, name, extra, called="captioner")
    except UnknownName as error:
        known = ", ".join(captioners(extra))
        raise BadRequest(f"--captioner {name!r} is not known.", hint=f"Use one of {known}.") from error


def fetch_model(model: CaptionerModel, models: Path, *, offline: bool, on_step: OnStep = no_progress) -> Path:
    """The folder of the model's files, fetched below `models` if they are not there. Raises as `hub.fetch` does."""
    kind, _, rest = model.source.partition(":")
    if kind == "file":
        folder = Path(rest).expanduser()
        if not folder.is_dir():
            raise MissingModel(f"The captioner {model.name!r} is missing at {folder}.", hint="Check its TOML.")
        verify(folder, model.sha256)
        return folder
    files = FILES[model.architecture]
    wanted = hub.hub_model(
        model.source, files, revision=model.revision, sha256=model.sha256, licence=model.licence,
        megabytes=model.megabytes,
    )  # fmt: skip
    return hub.fetch(models / "captioners" / model.name, wanted, offline=offline, on_step=on_step)


def load_model(model: CaptionerModel, folder: Path, device: Device) -> Captioner:
    """The captioner whose files are in `folder`. Raises MissingModel or UnfitModel."""
    from portraitist.captions import danbooru, sentences

    if model.architecture in sentences.CLASSES:
        return sentences.load(model.architecture, model.name, folder, device, model.prompt, model.max_tokens)
    loaders: dict[str, Callable[[], TagsOf]] = {
        "wd14": lambda: danbooru.load_wd14(folder),
        "wd14-safetensors": lambda: danbooru.load_wd14_safetensors(folder, device),
        "deepdanbooru": lambda: danbooru.load_deepdanbooru(folder),
    }
    return TaggerCaptioner(loaders[model.architecture](), model.name, model.threshold)


def choose_captioner(
    wanted: str, tagger: TagsOf | None, crops: Sequence[Picture], loaded: Captioner | None = None
) -> Captioner:
    """The captioner for `wanted`: `loaded` is the model of that name, `crops` are the training set's calm crops.

    `auto` takes the base's own tagger where it is sure of itself, else the facts: mini's tagger knows rendered people
    only, and photographs leave many of its tags undecided. Raises BadRequest for an unknown name, UnfitModel for
    `tagger` on a base that has none.
    """
    if loaded is not None:
        return loaded
    if wanted not in EMBEDDED:
        raise BadRequest(f"--captioner {wanted!r} is not known.", hint=f"Use one of {', '.join(captioners())}.")
    if wanted in ("none", "written"):
        return NoCaptioner(wanted)
    if wanted == "tagger":
        if tagger is None:
            raise UnfitModel("This base has no tagger.", hint="Use --captioner facts.")
        return TaggerCaptioner(tagger)
    if wanted == "facts-words":
        return FactsCaptioner(wanted, words=True)
    if wanted == "facts" or tagger is None or not crops:
        return FactsCaptioner()
    doubts = [doubt(scores) for scores in tagger.scores(crops)]
    return TaggerCaptioner(tagger) if float(np.mean(doubts)) <= DOUBT_LIMIT else FactsCaptioner()
