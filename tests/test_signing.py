"""Content Credentials with a certificate made on the spot: signed, read back, and the picture left as it was."""

from pathlib import Path

import numpy as np
import pytest

from portraitist import signing
from portraitist.commands import common
from portraitist.errors import BadFile, BadRequest
from portraitist.images import read_picture, read_png_text, save_jpeg, save_png
from portraitist.marks import Source, read_source
from portraitist.settings import load_settings
from portraitist.types import Picture
from tests.signers import signer

__all__ = ["signer"]


@pytest.fixture
def picture() -> Picture:
    return np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def test_a_signed_png_says_who_made_it_and_keeps_its_request(
    signer: signing.Signer, picture: Picture, tmp_path: Path
) -> None:
    path = save_png(tmp_path / "p.png", picture, {"portraitist": '{"seed": 1}'})
    assert signing.read_manifest(path) is None
    signing.sign(path, signer)
    manifest = signing.read_manifest(path)
    assert manifest is not None and manifest["validation_state"] in ("Valid", "Trusted")
    (actions,) = [one["data"]["actions"] for one in manifest["assertions"] if one["label"].startswith("c2pa.actions")]
    assert actions[0]["action"] == "c2pa.created"
    assert actions[0]["digitalSourceType"] == Source.GENERATED.uri
    assert read_png_text(path)["portraitist"] == '{"seed": 1}'
    assert read_source(path) is Source.GENERATED
    assert (read_picture(path) == picture).all()


def test_what_was_made_of_another_picture_names_it_and_shows_nothing_of_it(
    signer: signing.Signer, picture: Picture, tmp_path: Path
) -> None:
    photo = save_jpeg(tmp_path / "photo.jpg", picture, made=False)
    edited = signing.sign(save_png(tmp_path / "e.png", picture, source=Source.ENHANCED), signer, parent=photo)
    manifest = signing.read_manifest(edited)
    assert manifest is not None and manifest["validation_state"] == "Valid"
    (parent,) = manifest["ingredients"]
    assert (parent["title"], parent["relationship"]) == ("photo.jpg", "parentOf") and "thumbnail" not in parent
    actions = [one["action"] for one in manifest["assertions"][0]["data"]["actions"]]
    assert actions == ["c2pa.opened", "c2pa.edited"]
    again = signing.sign(save_png(tmp_path / "f.png", picture, source=Source.ENHANCED), signer, parent=edited)
    told = signing.read_manifest(again)
    assert told is not None and told["ingredients"][0]["active_manifest"] == manifest["label"]


def test_a_changed_picture_no_longer_agrees_with_its_manifest(
    signer: signing.Signer, picture: Picture, tmp_path: Path
) -> None:
    path = signing.sign(save_jpeg(tmp_path / "p.jpg", picture, source=Source.COMPOSITE), signer)
    manifest = signing.read_manifest(path)
    assert manifest is not None and Source.COMPOSITE.uri in str(manifest["assertions"])
    data = bytearray(path.read_bytes())
    data[-20] ^= 0xFF
    path.write_bytes(bytes(data))
    changed = signing.read_manifest(path)
    assert changed is not None and changed["validation_state"] == "Invalid"


def test_a_key_that_is_none_leaves_the_picture_as_it_was(
    signer: signing.Signer, picture: Picture, tmp_path: Path
) -> None:
    path = save_png(tmp_path / "p.png", picture)
    before = path.read_bytes()
    (tmp_path / "bad.pem").write_text("no key")
    with pytest.raises(BadFile, match="not signed"):
        signing.sign(path, signing.Signer(signer.certificate, tmp_path / "bad.pem"))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    with pytest.raises(BadRequest, match="gone"):
        signing.signer_of(tmp_path / "gone.pem", signer.key, "es256")


def test_the_settings_name_the_signer_and_plain_photos_stay_plain(
    signer: signing.Signer, picture: Picture, tmp_path: Path
) -> None:
    (tmp_path / "portraitist.toml").write_text(
        f"c2pa_certificate = '{signer.certificate}'\nc2pa_key = '{signer.key}'\n", encoding="utf-8"
    )
    who = common.signer(load_settings(tmp_path, {}))
    made, plain = save_png(tmp_path / "made.png", picture), save_png(tmp_path / "plain.png", picture, made=False)
    common.sign_files(who, [made, plain])
    assert signing.read_manifest(made) is not None and signing.read_manifest(plain) is None
    with pytest.raises(BadRequest, match="certificate"):
        common.signer(load_settings(tmp_path / "empty", {}))
