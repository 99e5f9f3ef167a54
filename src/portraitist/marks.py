"""The mark that says how a picture came to be: IPTC's digital source type, in XMP. Read and written; no pixels here.

IPTC Photo Metadata Standard 2023.1, property `DigitalSourceType`; its vocabulary (as of 23 October 2024):
http://cv.iptc.org/newscodes/digitalsourcetype/ (a mark is metadata: who re-saves a picture may lose it).
"""

from __future__ import annotations

import io
import re
from enum import StrEnum
from pathlib import Path

from PIL import Image

from portraitist.errors import BadFile

_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_FOUND = re.compile(
    r"DigitalSourceType[^>]{0,200}?digitalsourcetype/(\w+)|DigitalSourceType>[^<]*?digitalsourcetype/(\w+)"
)
_TERM = re.compile(rb"igitalSourceType.{0,200}?digitalsourcetype/(\w+)", re.DOTALL)
_MOST = 4_000_000


class Source(StrEnum):
    """How a picture came to be, by the terms of IPTC.

    GENERATED: made by a trained model. COMPOSITE: augmented, corrected or enhanced with a generative model. MIXED: of
    several elements, one of them at least by a generative model. JOINED: of several elements, of which that is not
    known. ENHANCED: changed by an algorithm, its main content is what it was.
    """

    GENERATED = "trainedAlgorithmicMedia"
    COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
    MIXED = "compositeSynthetic"
    JOINED = "composite"
    ENHANCED = "algorithmicallyEnhanced"

    @property
    def uri(self) -> str:
        return _VOCABULARY + self.value

    @property
    def made_by_ai(self) -> bool:
        return self in (Source.GENERATED, Source.COMPOSITE, Source.MIXED)


def xmp(source: Source) -> str:
    """The XMP packet of this source."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="{source.uri}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    )


def read_source(path: Path) -> Source | None:
    """What a PNG, JPEG or WebP says of its own making; None where it says nothing that we know.

    Raises BadFile for what is no picture.
    """
    try:
        return _of_packet(_packet(path.read_bytes()))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadFile(f"{path} is no PNG, JPEG or WebP that can be read.") from error


def source_in(data: bytes) -> Source | None:
    """The same of the bytes of a picture in any format, and also where only Content Credentials (C2PA) say it."""
    try:
        said = _of_packet(_packet(data))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # HEIC, AVIF, TIFF and the like
        said = None
    if said is not None:
        return said
    terms = (found[1].decode("ascii", "replace") for found in _TERM.finditer(data))
    seen = [source for term in terms if (source := _starting(term)) is not None]
    return next((source for source in seen if source.made_by_ai), seen[0] if seen else None)


def _packet(data: bytes) -> str:
    """The XMP of a picture's bytes. Raises what Pillow raises."""
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
        if image.format == "PNG":
            image.load()  # chunks may follow the pixels
        packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or ""
    return packet[:_MOST].decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet)[:_MOST]


def _of_packet(text: str) -> Source | None:
    found = _FOUND.search(text)
    known = {source.value: source for source in Source}
    return known.get(found[1] or found[2]) if found else None


def _starting(term: str) -> Source | None:
    """The source that a term begins with: in a manifest (CBOR) letters of what comes next may follow it."""
    fit = [source for source in Source if term.startswith(source.value)]
    longest = max(fit, key=lambda source: len(source.value), default=None)
    return None if longest is Source.JOINED and term.startswith("compositeCapture") else longest
