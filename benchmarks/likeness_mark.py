"""The last third of likeness.py: mark what was made. Needs the faces, the judge and the tagger."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import common
from benchmarks.likeness_make import read_made
from benchmarks.likeness_prepare import Job, all_renders, choose_sitters, load_tagger, read_job, render
from portraitist import ranking
from portraitist.generation.styled import on_base
from portraitist.recipes import Base, Style, find

if TYPE_CHECKING:
    from benchmarks.judge import Judge
    from portraitist.captions.tagger import Tagger
    from portraitist.faces import Faces
    from portraitist.types import Embedding, Picture

Made = list[tuple[str, "Picture"]]  # (style, picture)
RECOGNISERS = ("judge", "dlib")


@dataclass(frozen=True)
class Marker:
    """What every sitter needs, loaded once."""

    faces: Faces
    judge: Judge
    tagger: Tagger
    mark: str  # of the judge's weights

    @classmethod
    def load(cls, device: str, base: Path | None) -> Marker:
        from benchmarks.judge import FOLDER, Judge
        from portraitist.weights import sha256_of

        faces = common.load_faces()
        judge = Judge.load(faces=faces, device=device)
        return cls(faces, judge, load_tagger(device, base), sha256_of(FOLDER / "judge.safetensors")[:12])


class Seen:
    """The faces of pictures by both recognisers, kept in a file by the pictures' own bytes: each is looked at once."""

    def __init__(self, file: Path, marker: Marker) -> None:
        self._file, self._marker = file, marker
        self._rows: dict[str, np.ndarray] = {}
        if file.is_file():
            with np.load(file, allow_pickle=False) as held:
                self._rows = dict(zip(held["names"].tolist(), held["rows"], strict=True))

    def faces(self, pictures: Sequence[Picture], by: str) -> list[Embedding | None]:
        """None where there is not exactly one face."""
        names = [hashlib.sha256(picture.tobytes()).hexdigest()[:32] for picture in pictures]
        missing = {name: picture for name, picture in zip(names, pictures, strict=True) if name not in self._rows}
        for name, picture in missing.items():
            self._rows[name] = self._look(picture)
        if missing:
            self._save()
        found = [self._rows[name][RECOGNISERS.index(by)] for name in names]
        return [None if np.isnan(row).any() else row for row in found]

    def _look(self, picture: Picture) -> np.ndarray:
        """float64 (2, 128), not a number where there is not exactly one face."""
        found = self._marker.faces.detect(picture)
        if len(found) != 1:
            return np.full((2, 128), np.nan)
        dlib = self._marker.faces.embed(picture, found[0])
        return np.stack([self._marker.judge.embed_found([picture], found)[0], dlib])

    def _save(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part.npz")
        np.savez(part, names=np.array(list(self._rows)), rows=np.stack(list(self._rows.values())))
        part.replace(self._file)


def mark(given: argparse.Namespace, variants: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """By variant the rows of all sitters that were made; those that were marked before are read."""
    device = common.device_name(given.device)
    marker: Marker | None = None
    found: dict[str, list[dict[str, Any]]] = {}
    sitters = choose_sitters(given.sitters, given.count)
    for variant in variants:
        rows: list[dict[str, Any]] = []
        for number, identity in enumerate(sitters):
            made, words = folders(given.work, variant, identity)
            if made is None or words is None:
                print(f"{variant} {identity} was not made and is left out", file=sys.stderr)
                continue
            file = given.work / "marks" / variant / f"sitter-{identity}.json"
            if not file.is_file() or file.stat().st_mtime < max(f.stat().st_mtime for f in (made, words)):
                marker = marker or Marker.load(device, given.base)
                row = one_sitter(read_job(given.work, identity), made.parent, words.parent, given, marker)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(row, indent=2) + "\n")
            rows.append(json.loads(file.read_text()))
            common.progress(f"sitters marked, {variant}", number + 1, len(sitters))
            print_row(rows[-1])
        found[variant] = rows
    return {variant: rows for variant, rows in found.items() if rows}


def folders(work: Path, variant: str, identity: int) -> tuple[Path | None, Path | None]:
    """The `made.json` of a likeness and of what words said beside it; None where it was not made."""
    made = work / "made" / variant / str(identity) / "made.json"
    if not made.is_file():
        return None, None
    words = work / "words" / json.loads(made.read_text(encoding="utf-8"))["words"] / str(identity) / "made.json"
    return made, words if words.is_file() else None


def one_sitter(job: Job, made: Path, words: Path, given: argparse.Namespace, marker: Marker) -> dict[str, Any]:
    """The marks of one sitter."""
    seen = Seen(given.work / "embedded" / f"{job.identity}-{marker.mark}.npz", marker)
    (facts, pictures), (_, said) = read_made(made), read_made(words)
    pictures |= {name: said[name] for name in ("words", "request_words")}
    marks = {by: marks_by(by, job, pictures, seen, given) for by in RECOGNISERS}
    judge, dlib = marks["judge"], marks["dlib"]
    faces = seen.faces([picture for _, picture in pictures["portraits"]], "dlib")
    return {
        "sitter": job.identity, "class": job.class_word, "words": job.words,
        "score": judge["score"], "score_dlib": dlib["score"], "painted": judge["painted"],
        "painted_dlib": dlib["painted"], "top1": judge["top1"], "top1_photos": judge["top1_photos"],
        "top1_dlib": dlib["top1"], "top1_photos_dlib": dlib["top1_photos"],
        "d_words": judge["d_words"], "d_same": judge["d_same"], "d_portraits": judge["d_portraits"],
        "one_face": round(float(np.mean([face is not None for face in faces])), 4),
        "adherence": adherence(pictures["portraits"], marker.tagger),
        "adherence_base": adherence(pictures["words"], marker.tagger),
        "diversity": spread(pictures["request"]), "diversity_base": spread(pictures["request_words"]),
        "base": facts["base"], "captioner": job.captioner, "made_on": f"{facts['machine']}, {facts['dtype']}",
        "loss": facts["loss"][-1], "train_s": facts["train_s"], "total_s": facts["total_s"],
        "visits": facts.get("visits"),
    }  # fmt: skip


def marks_by(
    by: str, job: Job, made: dict[str, Made], seen: Seen, given: argparse.Namespace
) -> dict[str, float | None]:
    """Score and identification of one sitter by one recogniser."""
    from portraitist.images import read_picture

    def photos(names: Sequence[str]) -> list[Embedding]:
        pictures = [read_picture(given.work / "renders" / name) for name in names]
        return [face for face in seen.faces(pictures, by) if face is not None]

    parts = {name: seen.faces([picture for _, picture in made[name]], by) for name in ("portraits", "painted", "words")}
    try:
        scale = ranking.make_scale(
            photos(job.held_out), photos(job.known), [face for face in parts["words"] if face is not None]
        )
    except ranking.NoScale as error:  # a base that draws no faces by words cannot be measured, and passes no bar
        print(f"{job.identity}, {by}: {error.message}", file=sys.stderr)
        return dict.fromkeys(("score", "painted", "top1", "top1_photos", "d_words", "d_same", "d_portraits"))
    wanted, device = all_renders(job.identity, given), common.device_name(given.device)
    unseen, others = (seen.faces(render(*wanted[name], given.work, device), by) for name in ("unseen", "others"))
    crowd = [face[None] for face in others if face is not None]
    far = [scale.distance(face) for face in parts["portraits"] if face is not None]
    return {
        "score": round(ranking.mean_score(scale, parts["portraits"]), 4),
        "painted": round(ranking.mean_score(scale, parts["painted"]), 4) if parts["painted"] else None,
        "top1": round(ranking.top1(parts["portraits"], scale.references, crowd), 4),
        "top1_photos": round(ranking.top1(unseen, scale.references, crowd), 4),
        "d_words": round(scale.d_words, 4), "d_same": round(scale.d_same, 4),
        "d_portraits": round(float(np.mean(far)), 4) if far else None,
    }  # fmt: skip


def adherence(made: Made, tagger: Tagger) -> float:
    """Share of a style's words that the tagger finds, on the mean over the styles; only words that are tags count."""
    shares: dict[str, list[float]] = {}
    for (name, _), scores in zip(made, tagger.scores([picture for _, picture in made]), strict=True):
        style = on_base(find(Style, name), find(Base, "mini"))
        asked = [word.strip().replace(" ", "_") for word in style.prompt.split(",")]
        asked = [word for word in asked if word in scores]
        shares.setdefault(name, []).append(float(np.mean([scores[word] >= 0.5 for word in asked])))
    return round(float(np.mean([np.mean(share) for share in shares.values()])), 4)


def spread(made: Made) -> float | None:
    """How much the pictures of one request differ (see `ranking.spread`)."""
    found = ranking.spread([picture for _, picture in made])
    return None if found is None else round(found, 4)


def print_row(row: dict[str, Any]) -> None:
    if row["score"] is None or row["score_dlib"] is None:
        print(f"{row['sitter']} {row['class']:<6} no score", flush=True)
        return
    scores = f"score {row['score']:.2f} (dlib {row['score_dlib']:.2f})"
    print(
        f"{row['sitter']} {row['class']:<6} {scores}  top-1 {row['top1']:.2f} of {row['top1_photos']:.2f}", flush=True
    )
