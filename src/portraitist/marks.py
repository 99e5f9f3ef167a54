"""The mark that says how a picture came to be: IPTC's digital source type, in XMP. Read and written; no pixels here.

IPTC Photo Metadata Standard 2023.1, property `DigitalSourceType`; its vocabulary:
http://cv.iptc.org/newscodes/digitalsourcetype/ (a mark is metadata: who re-saves a picture may lose it).
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from PIL import Image

from portraitist.errors import BadFile

_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_FOUND = re.compile(
    r"DigitalSourceType[^>]{0,200}?digitalsourcetype/(\w+)|DigitalSourceType>[^<]*?digitalsourcetype/(\w+)"
)
_MOST = 4_000_000


class Source(StrEnum):
    """How a picture came to be, by the terms of IPTC: made by a trained model; a photo with parts made by one; a photo
    that a program changed without making anything up."""

    GENERATED = "trainedAlgorithmicMedia"
    COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
    ENHANCED = "algorithmicallyEnhanced"

    @property
    def uri(self) -> str:
        return _VOCABULARY + self.value

    @property
    def made_by_ai(self) -> bool:
        return self is not Source.ENHANCED


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
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            if image.format == "PNG":
                image.load()  # chunks may follow the pixels
            packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or ""
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadFile(f"{path} is no PNG, JPEG or WebP that can be read.") from error
    text = packet[:_MOST].decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet)[:_MOST]
    found = _FOUND.search(text)
    known = {source.value: source for source in Source}
    return known.get(found[1] or found[2]) if found else None
