"""Turns the tags of a picture into the words that one might ask for it with: Danbooru tags, prose, or a mixture.

A caption is a list of pieces (short texts) whose token ids are looked up, so that half a million captions take seconds.
It knows nothing of pixels; `degrade.py` says what was done to a picture, this file has the words for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mini import tags as words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

TRIGGERS = ("ohwx", "sks")
CLASSES = ("woman", "man", "girl", "boy", "person")

# What `degrade.py` does to a picture and how prompts, mostly negative ones, speak of it. Index 0: an untouched picture.
FLAWS: tuple[tuple[str, ...], ...] = (
    (),
    ("blurry", "blurred", "out of focus"),
    ("lowres", "low resolution", "pixelated"),
    ("noise", "noisy", "grainy"),
    ("jpeg artifacts", "jpeg_artifacts"),
    (
        "deformed",
        "bad anatomy",
        "bad_anatomy",
        "distorted",
        "disfigured",
        "ugly",
        "mutated",
        "bad face",
        "asymmetrical",
    ),
    ("overexposed", "too bright"),
    ("underexposed", "too dark"),
    ("oversaturated", "garish"),
)
WORST = ("worst quality", "low quality", "bad quality", "poor quality")
BEST = ("masterpiece", "best quality", "high quality", "highres", "detailed", "sharp focus", "absurdres")
# Words that people type and that mean nothing here: seen at random, so that they change little.
NEUTRAL = (
    "beautiful", "cinematic", "professional", "elegant", "stunning", "award winning", "intricate", "highly detailed",
    "8k", "4k", "hd", "uhd",
    "studio", "fashion", "magazine", "cover", "art", "artwork", "realistic", "photorealistic", "natural", "perfect",
    "face", "head", "character",
    "style", "aesthetic", "vibrant", "colorful", "soft", "warm", "cool", "vintage", "retro", "modern", "classic",
    "dreamy", "moody", "epic",
    "handsome", "pretty", "cute", "lovely", "happy", "serious", "calm", "confident", "wearing", "dress", "jacket",
    "coat", "hair", "eyes",
    "skin", "nose", "lips", "mouth", "ears", "chin", "cheeks", "model", "actor", "sitter", "human", "people",
    "light", "lighting", "shadow",
    "depth of field", "bokeh", "dslr", "canon", "nikon", "film", "lens", "50mm", "85mm", "camera", "picture",
    "image", "illustration", "drawing",
)  # fmt: skip

SYNONYMS: dict[str, tuple[str, ...]] = {
    "photo": ("photo", "photograph", "color photo", "portrait photo"),
    "film_noir": ("film_noir", "film noir", "black and white film", "black and white photo"),
    "sepia": ("sepia", "sepia photo", "old photograph"),
    "oil_painting": ("oil_painting", "oil painting", "painting"),
    "watercolor": ("watercolor", "watercolor painting", "watercolour"),
    "ink_sketch": ("ink_sketch", "ink sketch", "ink drawing"),
    "pencil_sketch": ("pencil_sketch", "pencil sketch", "pencil drawing"),
    "anime": ("anime", "anime style", "cartoon"),
    "neon": ("neon", "neon style", "cyberpunk"),
    "pastel": ("pastel", "pastel drawing", "pastel colors"),
    "monochrome": ("monochrome", "greyscale"),
    "smile": ("smile", "smiling"), "grin": ("grin", "grinning"), "laughing": ("laughing", "laugh"),
    "surprised": ("surprised", "surprise"), "angry": ("angry", "frown"), "sad": ("sad", "unhappy"),
    "closed_eyes": ("closed_eyes", "closed eyes", "eyes closed"),
    "grey_hair": ("grey_hair", "gray hair"), "grey_eyes": ("grey_eyes", "gray eyes"), "blonde_hair": ("blonde_hair",
    "blond hair"),
    "red_hair": ("red_hair", "ginger hair"), "afro": ("afro", "afro hair"), "bald": ("bald", "bald head"),
    "old": ("old", "elderly", "senior"), "child": ("child", "kid", "young"), "tan": ("tan", "tanned skin"),
    "facial_hair": ("facial_hair", "facial hair"), "mustache": ("mustache", "moustache"),
    "sunset": ("sunset", "golden hour", "sunset light"), "night": ("night", "at night"), "snow": ("snow", "snowy",
    "winter"),
    "forest": ("forest", "in a forest", "trees"), "beach": ("beach", "at the beach", "sea"), "city": ("city",
    "street", "in a city"),
    "indoors": ("indoors", "room"), "outdoors": ("outdoors", "outside"), "bookshelf": ("bookshelf", "library", "books"),
    "simple_background": ("simple_background", "plain background", "simple background"),
    "blurry_background": ("blurry_background", "blurred background", "blurry background"),
    "neon_lights": ("neon_lights", "neon lights"), "overcast": ("overcast", "cloudy"), "backlight": ("backlight",
    "backlighting", "rim light"),
    "close-up": ("close-up", "closeup", "close up"), "portrait": ("portrait", "head and shoulders"),
    "upper_body": ("upper_body", "half body"),
    "looking_at_viewer": ("looking_at_viewer", "looking at viewer", "looking at the viewer", "looking at camera"),
    "hat": ("hat", "headwear"), "sun_hat": ("sun_hat", "straw hat"), "baseball_cap": ("baseball_cap", "cap"),
    "earrings": ("earrings", "earring", "jewelry"), "necklace": ("necklace", "jewelry"), "glasses": ("glasses",
    "eyeglasses"),
    "t-shirt": ("t-shirt", "tshirt", "shirt"), "collared_shirt": ("collared_shirt", "dress shirt", "shirt"),
    "necktie": ("necktie", "tie"),
    "suit": ("suit", "business suit", "formal"), "sweater": ("sweater", "jumper"), "off_shoulder": ("off_shoulder",
    "bare shoulders"),
    "striped": ("striped", "stripes"), "lipstick": ("lipstick", "makeup"),
}  # fmt: skip

_CLOTHES_WORD = {
    "t-shirt": "t-shirt", "collared_shirt": "shirt", "suit": "suit", "hoodie": "hoodie", "sweater": "sweater",
    "tank_top": "tank top",
    "off_shoulder": "off-shoulder dress",
}  # fmt: skip
_PLACE = {
    "simple_background": "in front of a plain background",
    "gradient_background": "in front of a gradient background", "indoors": "indoors",
    "forest": "in a forest", "beach": "at the beach", "city": "in a city", "night": "at night", "snow": "in the snow",
    "bookshelf": "in front of a bookshelf",
}  # fmt: skip
_SKIN = {"pale_skin": "pale skin", "tan": "tanned skin", "brown_skin": "brown skin", "dark_skin": "dark skin"}
_CUT = {
    "buzz_cut": "a buzz cut", "bob_cut": "a bob cut", "quiff": "a quiff", "afro": "an afro",
    "ponytail": "a ponytail", "hair_bun": "a hair bun",
    "twintails": "twintails", "braid": "a braid", "bald": "a bald head",
}  # fmt: skip
_LENGTH = {
    "short_hair": "short",
    "messy_hair": "messy",
    "long_hair": "long",
    "wavy_hair": "wavy",
    "curly_hair": "curly",
}
_MOOD = {
    "smile": "smiling",
    "grin": "grinning",
    "laughing": "laughing",
    "surprised": "surprised",
    "angry": "angry",
    "sad": "sad",
}
_PROSE = (
    "a",
    "an",
    "of",
    "with",
    "and",
    "in",
    "the",
    "to",
    "at",
    "is",
    "his",
    "her",
    "on",
    "for",
    "by",
    "front",
    "young",
    "no",
    "not",
)

COLOURED = frozenset((*words.COLOUR_TAGS, "lipstick"))
_SUBJECT = frozenset((*words.GENDERS, "solo", "child", "old"))
_HEAD_FIRST = frozenset((*words.LOOKS, *words.GENDERS))
MIXED_IN = 0.06  # share of captions with a trigger word or a made-up name before the class word


def piece_of(tag: str, rng: np.random.Generator) -> str:
    """One of the ways to say a tag: as it is, with spaces, or a synonym."""
    roll = rng.random()
    if roll < 0.4:
        return tag
    if roll < 0.75 or tag not in SYNONYMS:
        return tag.replace("_", " ")
    choices = SYNONYMS[tag]
    return choices[int(rng.integers(len(choices)))]


def write(
    tags: Sequence[str], rng: np.random.Generator, *, flaw: int = 0, names: Sequence[str] = TRIGGERS
) -> list[str]:
    """Pieces of one caption of a picture with `tags`; joined with `text` they are the caption.

    `flaw` indexes `FLAWS`; `names` are the words that may stand before the class word and mean nobody.
    """
    chosen = _choose(tags, rng)
    parts = (
        _prose(set(chosen), set(tags), rng, names) if rng.random() < 0.25 else _listed(chosen, set(tags), rng, names)
    )
    return _quality(flaw, rng, parts)


def ask(tags: Sequence[str], rng: np.random.Generator) -> tuple[list[str], tuple[str, ...]]:
    """A prompt for a picture with `tags` as pieces, and the tags that it asks for.

    Always among them: gender, look, age, skin, hair and eyes; what words can say of a sitter is said. Never colours
    of a picture that has none, for nobody could tell whether they were given.
    """
    if "monochrome" in tags:
        tags = [tag for tag in tags if tag not in COLOURED]
    chosen = set(_choose(tags, rng)) | (set(tags) & {*words.GENDERS, *words.LOOKS, *words.IDENTITY_TAGS})
    asked = [tag for tag in tags if tag in chosen]
    prose = rng.random() < 0.25
    parts = _prose(chosen, set(tags), rng, ("",)) if prose else _listed(asked, set(tags), rng, ("",))
    told = {"1girl", "1boy", "woman", "man", "girl", "boy"} & set(text(parts).replace(",", " ").split())
    silent = {"solo"} if told else {"solo", *words.GENDERS}
    return [" ".join(part.split()) for part in parts], tuple(tag for tag in asked if tag not in silent)


def _choose(tags: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Some of the tags: mostly many, sometimes few; look and gender are seldom left out."""
    keep = (1.0, 0.85, 0.6, 0.35)[int(rng.choice(4, p=[0.3, 0.35, 0.25, 0.1]))]
    return [tag for tag in tags if rng.random() < keep or (tag in _HEAD_FIRST and rng.random() < 0.7)]


def text(pieces: Iterable[str]) -> str:
    """The caption that the pieces are: comma separated."""
    return ", ".join(pieces)


def class_word(tags: set[str], rng: np.random.Generator) -> str:
    """woman, man, girl, boy or person, true to the tags."""
    if rng.random() < 0.08:
        return "person"
    if "1girl" in tags:
        return "girl" if "child" in tags else "woman"
    return "boy" if "child" in tags else "man"


def _subject(tags: set[str], rng: np.random.Generator, names: Sequence[str]) -> str:
    noun = class_word(tags, rng)
    if rng.random() < MIXED_IN / 0.6:
        return f"{names[int(rng.integers(len(names)))]} {noun}"
    return noun


def _listed(chosen: list[str], tags: set[str], rng: np.random.Generator, names: Sequence[str]) -> list[str]:
    """Tags in random order, the subject mostly first, colour and garment sometimes joined as people write them."""
    parts: list[str] = []
    has = set(chosen)
    rest = [tag for tag in chosen if tag not in _SUBJECT]
    garment, colour = (
        next((t for t in rest if t in _CLOTHES_WORD), None),
        next((t for t in rest if t.endswith("_clothes")), None),
    )
    if garment and colour and rng.random() < 0.5:
        rest = [t for t in rest if t not in (garment, colour)]
        parts.append(f"{colour.removesuffix('_clothes')} {_CLOTHES_WORD[garment]}")
    elif colour and rng.random() < 0.3:
        rest.remove(colour)
        parts.append(
            f"{colour.removesuffix('_clothes')} shirt"
            if garment in ("t-shirt", "collared_shirt")
            else colour.replace("_", " ")
        )
    parts += [piece_of(tag, rng) for tag in rest]
    if rng.random() < 0.75:
        parts = [parts[i] for i in rng.permutation(len(parts))]
    front = [piece_of(tag, rng) for tag in ("1girl", "1boy") if tag in has and rng.random() < 0.5]
    if not front or rng.random() < 0.3:
        front = [_subject(tags, rng, names), *front]
    front += [piece_of(tag, rng) for tag in ("child", "old") if tag in has]
    if "solo" in has and rng.random() < 0.5:
        front.append("solo")
    return [*front, *parts] if rng.random() < 0.85 else [*parts, *front]


def _prose(has: set[str], tags: set[str], rng: np.random.Generator, names: Sequence[str]) -> list[str]:
    """A short sentence: photo of an old man with grey hair and blue eyes, in a red hoodie, smiling, in a forest."""
    look = next((tag for tag in words.LOOKS if tag in has), "portrait")
    noun = _subject(tags, rng, names)
    age = "old " if "old" in has and noun in CLASSES else "young " if "child" in has and noun == "person" else ""
    article = "" if noun not in CLASSES else "an " if age == "old " else "a "
    medium = piece_of(look, rng) if look != "portrait" else "portrait"
    first = f"{'a ' if rng.random() < 0.5 and medium[0] not in 'aeio' else ''}{medium} of {article}{age}{noun}"
    features = _features(has)
    parts = [first + (" with " + features[0] if features else ""), *features[1:]]
    if len(features) > 1 and rng.random() < 0.5:
        parts = [f"{first} with {features[0]} and {features[1]}", *features[2:]]
    worn = _worn(has)
    parts += [f"wearing {worn[0]}", *worn[1:]] if worn else []
    parts += [_MOOD[tag] for tag in _MOOD if tag in has and not (tag == "smile" and has & {"grin", "laughing"})]
    parts += [_PLACE[tag] for tag in _PLACE if tag in has]
    used = {
        *_SUBJECT,
        *_CLOTHES_WORD,
        *_PLACE,
        *_SKIN,
        *_CUT,
        *_LENGTH,
        *_MOOD,
        *words.HAIR_COLOURS,
        *words.EYE_COLOURS,
        *words.HATS,
        look,
    }
    used |= {"glasses", "sunglasses", "earrings", "necklace", "scarf", "beard", "mustache"} | {
        f"{c}_clothes" for c in words.COLOURS
    }
    extra = [piece_of(tag, rng) for tag in sorted(has - used)]
    return parts + [extra[i] for i in rng.permutation(len(extra))]


def _features(has: set[str]) -> list[str]:
    found = []
    colour = next((tag.removesuffix("_hair") for tag in words.HAIR_COLOURS if tag in has), "")
    length = " ".join(_LENGTH[tag] for tag in _LENGTH if tag in has)
    if colour or length:
        found.append(f"{length} {colour} hair".strip().replace("  ", " "))
    found += [_CUT[tag] for tag in _CUT if tag in has]
    found += [tag.replace("_", " ") for tag in words.EYE_COLOURS if tag in has]
    found += [_SKIN[tag] for tag in _SKIN if tag in has]
    return found + [f"a {tag}" for tag in ("beard", "mustache") if tag in has]


def _worn(has: set[str]) -> list[str]:
    colour = next((c for c in words.COLOURS if f"{c}_clothes" in has), "")
    garment = next((_CLOTHES_WORD[tag] for tag in _CLOTHES_WORD if tag in has), "clothes" if colour else "")
    whole = f"{colour} {garment}".strip()
    found = [whole if garment == "clothes" else f"{'an' if whole[0] in 'aeiou' else 'a'} {whole}"] if garment else []
    found += [f"a {tag.replace('_', ' ')}" for tag in (*words.HATS[1:], "scarf", "necklace") if tag in has]
    return found + [tag for tag in ("glasses", "sunglasses", "earrings") if tag in has]


def _quality(flaw: int, rng: np.random.Generator, parts: list[str]) -> list[str]:
    """Adds the words of a flaw, of quality, or words that mean nothing."""
    added: list[str] = []
    if flaw:
        ways = FLAWS[flaw]
        added = [ways[i] for i in rng.choice(len(ways), size=min(len(ways), int(rng.integers(1, 3))), replace=False)]
        added += [WORST[int(rng.integers(len(WORST)))]] if rng.random() < 0.5 else []
    elif rng.random() < 0.15:
        added = [BEST[int(rng.integers(len(BEST)))] for _ in range(int(rng.integers(1, 4)))]
    if rng.random() < 0.12:
        added += [NEUTRAL[int(rng.integers(len(NEUTRAL)))] for _ in range(int(rng.integers(1, 3)))]
    return [*added, *parts] if rng.random() < 0.5 or flaw else [*parts, *added]


def vocabulary() -> list[str]:
    """Every text whose words must be single tokens: tags, synonyms, prose, quality words and triggers."""
    texts: list[str] = [*words.TAGS, *TRIGGERS, *CLASSES, *_PROSE, *WORST, *BEST, *NEUTRAL, "neutral", "adult"]
    for table in (FLAWS, tuple(SYNONYMS.values())):
        texts += [word for entry in table for word in entry]
    for names in (_CLOTHES_WORD, _PLACE, _SKIN, _CUT, _LENGTH, _MOOD):
        texts += names.values()
    return texts
