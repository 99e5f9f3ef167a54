"""Content Credentials with a certificate made on the spot: signed, read back, and the picture left as it was."""

import datetime
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

pytest.importorskip("c2pa")
x509 = pytest.importorskip("cryptography.x509")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> signing.Signer:
    """A signer whose certificate nobody trusts: a root of our own and a leaf for signing e-mail."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(words: str) -> x509.Name:
        return x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, words)]
        )

    def usage(authority: bool) -> x509.KeyUsage:
        return x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)

    def certificate(words: str, key: ec.EllipticCurvePrivateKey, by: str, root: ec.EllipticCurvePrivateKey) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        authority = words == by
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(words)).issuer_name(name(by)).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(usage(authority), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        )  # fmt: skip
        if not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        return builder.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    folder = tmp_path_factory.mktemp("keys")
    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = certificate("leaf", leaf, "root", root) + certificate("root", root, "root", root)
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(
        leaf.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return signing.signer_of(folder / "chain.pem", folder / "key.pem", "es256")


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
