"""The words that a rendered picture can be told in, in Danbooru spelling, and what each needs to be seen.

A tag is true when the scene has it *and* at least `VISIBLE` pixels of the parts that carry it are in the picture.
It does not know how a scene is drawn: `people.py` says what a scene has, the renderer counts the pixels.
"""

from __future__ import annotations

VISIBLE = 12  # pixels

# What a pixel can show; the order is that of the enumeration in kernel/scene.h.
PARTS = (
    "background", "skin", "hair", "lips", "eye", "iris", "brow", "beard", "teeth", "mouth", "clothes", "second",
    "hat", "frame", "lens", "earring", "necklace", "scarf", "freckle", "lash",
)  # fmt: skip

HAIR_COLOURS = ("black_hair", "brown_hair", "blonde_hair", "red_hair", "grey_hair", "white_hair")
EYE_COLOURS = ("brown_eyes", "blue_eyes", "green_eyes", "grey_eyes")
SKINS = ("pale_skin", "tan", "brown_skin", "dark_skin")
AGES = ("child", "adult", "old")  # adult is the unmarked age and no tag
GENDERS = ("1girl", "1boy")

# Hairstyles as the kernel numbers them.
HAIRSTYLES = (
    "bald", "buzz_cut", "short_hair", "messy_hair", "quiff", "bob_cut", "long_hair", "wavy_hair", "curly_hair", "afro",
    "ponytail", "hair_bun", "twintails", "braid",
)  # fmt: skip
HATS = ("", "beanie", "baseball_cap", "sun_hat")
CLOTHES = ("t-shirt", "collared_shirt", "suit", "hoodie", "sweater", "tank_top", "off_shoulder")
COLOURS = ("white", "black", "grey", "red", "blue", "green", "yellow", "pink", "purple", "brown", "orange")
BEARDS = ("", "stubble", "mustache", "goatee", "beard")
BACKGROUNDS = (
    "simple_background",
    "gradient_background",
    "indoors",
    "forest",
    "beach",
    "city",
    "night",
    "snow",
    "bookshelf",
)
LIGHTS = ("soft_light", "side_light", "sunset", "overcast", "backlight", "dramatic_light", "neon_lights")
LOOKS = ("photo", "film_noir", "sepia", "oil_painting", "watercolor", "ink_sketch", "pencil_sketch", "anime", "neon",
"pastel")  # fmt: skip
EXPRESSIONS = ("neutral", "smile", "grin", "laughing", "surprised", "angry", "sad", "closed_eyes")

IDENTITY_TAGS = (*HAIR_COLOURS, *EYE_COLOURS, *SKINS, "child", "old", "freckles", "thick_eyebrows")

TAGS: tuple[str, ...] = (
    *GENDERS, "solo", *IDENTITY_TAGS,
    *HAIRSTYLES, "bangs",
    "glasses", "sunglasses", "hat", *HATS[1:], "earrings", "necklace", "scarf", "lipstick",
    "facial_hair", *BEARDS[1:],
    *CLOTHES, "necktie", "striped", *(f"{colour}_clothes" for colour in COLOURS),
    *EXPRESSIONS[1:], "open_mouth", "looking_at_viewer", "looking_to_the_side",
    "facing_left", "facing_right", "looking_up", "looking_down", "head_tilt",
    "close-up", "portrait", "upper_body",
    *BACKGROUNDS, "outdoors", "blurry_background", *LIGHTS, *LOOKS, "monochrome",
)  # fmt: skip
INDEX = {tag: i for i, tag in enumerate(TAGS)}

# On these looks no colour can be told, so none is a word for the picture.
MONOCHROME = ("film_noir", "sepia", "ink_sketch", "pencil_sketch")
# Nor on this one, whose light has colours of its own.
COLOURLESS = (*MONOCHROME, "neon")
COLOUR_TAGS = (*HAIR_COLOURS, *EYE_COLOURS, *SKINS, *(f"{colour}_clothes" for colour in COLOURS))

# Parts that must be seen for a tag to be true; tags that are not listed need none.
NEEDS: dict[str, tuple[str, ...]] = {
    **{tag: ("hair",) for tag in (*HAIR_COLOURS, *HAIRSTYLES[1:], "bangs")},
    **{tag: ("iris",) for tag in (*EYE_COLOURS, "looking_at_viewer", "looking_to_the_side")},
    **{tag: ("clothes", "second") for tag in (*CLOTHES, *(f"{colour}_clothes" for colour in COLOURS))},
    "freckles": ("freckle",), "thick_eyebrows": ("brow",), "glasses": ("frame",), "sunglasses": ("lens",),
    **{tag: ("hat",) for tag in ("hat", *HATS[1:])},
    "earrings": ("earring",), "necklace": ("necklace",), "scarf": ("scarf",), "lipstick": ("lips",),
    **{tag: ("beard",) for tag in ("facial_hair", *BEARDS[1:])},
    "necktie": ("second",), "striped": ("clothes",), "grin": ("teeth",), "open_mouth": ("mouth", "teeth"),
}  # fmt: skip
