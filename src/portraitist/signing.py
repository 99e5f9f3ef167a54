"""Content Credentials: a C2PA manifest, signed with the user's certificate, that says how a picture came to be.

C2PA Specification 2.1, assertion `c2pa.actions.v2`; done by `c2pa-python` (extra `c2pa`). No time server is asked.
Knows files and marks; finds no keys of its own and keeps none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from portraitist import __version__
from portraitist.errors import BadFile, BadRequest, MissingModel
from portraitist.files import replacing
from portraitist.marks import Source, read_source

_PARENT = "xmp:iid:parent"
_KINDS = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp", "AVIF": "avif", "TIFF": "tiff", "GIF": "gif"}

ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")


@dataclass(frozen=True)
class Signer:
    """A certificate chain (PEM, the signer's own first) with its private key (PEM), and the key's algorithm."""

    certificate: Path
    key: Path
    algorithm: str = "es256"


def signer_of(certificate: Path | None, key: Path | None, algorithm: str) -> Signer:
    """A signer of the settings. Raises BadRequest when a part of it is missing or cannot be read."""
    if certificate is None or key is None:
        raise BadRequest(
            "Signing takes a certificate and its key.",
            hint='Set c2pa_certificate = "chain.pem" and c2pa_key = "key.pem" in portraitist.toml.',
        )
    for path in (certificate, key):
        if not path.is_file():
            raise BadRequest(f"{path} is not there.", hint="See c2pa_certificate and c2pa_key in portraitist.toml.")
    if algorithm not in ALGORITHMS:
        raise BadRequest(f"c2pa_algorithm is {algorithm!r}.", hint=f"Known are: {', '.join(ALGORITHMS)}.")
    return Signer(certificate, key, algorithm)


def sign(path: Path, signer: Signer, *, source: Source | None = None, parent: Path | None = None) -> Path:
    """Put a signed manifest into a PNG, JPEG or WebP, all or nothing; its other chunks and its pixels stay as they are.

    `source` None: what the file's own mark says. The manifest has the action `c2pa.created` with that source; with a
    `parent`, the picture that this one was made of, `c2pa.opened` and `c2pa.edited`, and the parent's own manifest, if
    it has one, goes along. No picture of the parent goes in: a replaced background would be in it.
    Raises MissingModel without the package, BadFile for a picture without a mark, and for one or a key that is refused.
    """
    c2pa = _package()
    said = source or read_source(path)
    if said is None:
        raise BadFile(f"{path} does not say how it was made.", hint="Only pictures of this studio are signed.")
    kind = None if parent is None else _kind_of(parent)
    manifest = _manifest(said, path.name) if kind is None else _edited(said, path.name)
    try:
        info = c2pa.C2paSignerInfo(
            signer.algorithm.encode(), signer.certificate.read_bytes(), signer.key.read_bytes(), None
        )
        with replacing(path) as temporary:
            temporary.unlink()  # the signer wants to make the file
            context = c2pa.Context(c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}}))
            with c2pa.Signer.from_info(info) as pen, c2pa.Builder(json.dumps(manifest), context) as builder:
                if parent is not None and kind is not None:
                    _add_parent(builder, parent, kind)
                builder.sign_file(path, temporary, pen)
    except c2pa.C2paError as error:
        raise BadFile(
            f"{path} was not signed: {error}.",
            hint="The certificate has to be a chain of PEM whose key usage allows digital signatures, with its key.",
        ) from error
    return path


def _kind_of(parent: Path) -> str | None:
    """The format of a picture's file; None for one that manifests cannot name (BMP)."""
    try:
        with Image.open(parent, formats=(*_KINDS, "BMP")) as image:
            return _KINDS.get(str(image.format))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # Pillow alone knows no HEIC
        return "heic"


def _add_parent(builder: Any, parent: Path, kind: str) -> None:
    said = {"title": parent.name, "relationship": "parentOf", "instance_id": _PARENT}
    with parent.open("rb") as file:
        builder.add_ingredient(said, f"image/{kind}", file)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The active manifest of a picture with `validation_state` beside it; None without one.

    Raises MissingModel without the package, BadFile for a manifest that cannot be read.
    """
    c2pa = _package()
    try:
        with c2pa.Reader(path) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError as error:
        if "ManifestNotFound" in f"{type(error).__name__}{error}":
            return None
        raise BadFile(f"The manifest of {path} cannot be read: {error}.") from error
    active = store["manifests"][store["active_manifest"]]
    return {**active, "validation_state": store.get("validation_state")}


def _manifest(source: Source, title: str) -> dict[str, Any]:
    return _of_actions(title, [{"action": "c2pa.created", "digitalSourceType": source.uri}])


def _edited(source: Source, title: str) -> dict[str, Any]:
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [_PARENT]}}
    return _of_actions(title, [opened, {"action": "c2pa.edited", "digitalSourceType": source.uri}])


def _of_actions(title: str, actions: list[dict[str, Any]]) -> dict[str, Any]:
    agent = {"name": "Portraitist", "version": __version__}
    said = [{**action, "softwareAgent": agent} for action in actions]
    return {
        "claim_generator_info": [agent],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": said}}],
    }


def _package() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise MissingModel(
            "Signing needs the package c2pa-python.", hint="Install it: pip install 'portraitist[c2pa]'"
        ) from error
    return c2pa
