"""The rule sets, tag by tag: what each of the three keeps and removes. One row is one tag, judged by hand."""

from pathlib import Path

import pytest

from portraitist.captions import tags as t
from portraitist.errors import BadFile, BadRequest, UnknownName

# `+` stays, `-` leaves the caption: ours, lesson, facechain
TABLE = """
1girl                       + + -
1boy                        + + -
solo                        + + +
black_hair                  - - +
blonde_hair                 - - +
multicolored_hair           - - +
long_hair                   + - +
short_hair                  + - +
ponytail                    + - +
hairband                    + - +
hair_ribbon                 + - +
wet_hair                    + - +
bangs                       + - +
hands_in_hair               + + +
blue_eyes                   - - -
brown_eyes                  - - -
thick_eyebrows              - - -
eyelashes                   - - -
closed_eyes                 + + -
one_eye_closed              + + -
rolling_eyes                + - -
eyepatch                    + - -
eyewear                     + - +
black-framed_eyewear        + - +
glasses                     + - +
sunglasses                  + - +
nose                        - - -
big_nose                    - - -
lips                        - - -
thick_lips                  - - -
parted_lips                 + + -
lipstick                    + - +
teeth                       - - -
mouth                       - - -
open_mouth                  + + +
closed_mouth                + + +
face                        - - -
round_face                  - - +
hand_on_own_face            + - +
covering_own_eyes           + + -
ears                        - - -
pointy_ears                 - - +
dark_skin                   - - +
pale_skin                   - - +
dark-skinned_male           - - -
skintight                   + - +
freckles                    - - +
mole_under_mouth            - - +
mole_under_eye              - - -
scar                        - - +
scar_on_cheek               - - +
wrinkles                    - - +
old_man                     - - -
mature_female               - - -
male_focus                  - - +
child                       - - +
asian                       - - -
3d                          - - -
bald                        + - +
beard                       + - +
facial_hair                 + - +
hat                         + - +
sun_hat                     + - +
baseball_cap                + - +
earrings                    + - +
hoop_earrings               + - +
necklace                    + - +
makeup                      + - +
red_shirt                   + + +
white_dress                 + + +
jacket                      + + +
bodysuit                    + + -
scarf                       + + +
smile                       + + +
grin                        + + +
crying                      + + +
looking_at_viewer           + + +
looking_to_the_side         + + +
facing_left                 + + +
head_tilt                   + + +
upper_body                  + + -
full_body                   + + -
portrait                    + + +
standing                    + + +
crossed_arms                + + +
outdoors                    + + +
indoors                     + + +
tree                        + + +
simple_background           + + +
white_background            + + +
sunlight                    + + +
side_light                  + + +
monochrome                  + + +
holding_cup                 + + +
breasts                     - - +
muscular                    - + +
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]
CASES = [
    (tag, rules, sign == "+")
    for tag, *signs in ROWS
    for rules, sign in zip(("ours", "lesson", "facechain"), signs, strict=True)
]
SETS = {name: t.load_rules(name) for name in t.rule_sets()}


@pytest.mark.parametrize(("tag", "rules", "kept"), CASES)
def test_each_rule_set_sorts_each_tag(tag: str, rules: str, kept: bool) -> None:
    decision = t.decide(tag, SETS[rules])
    assert decision.kept == kept, decision.because
    assert decision.because.startswith(rules)


def test_the_table_covers_what_is_promised() -> None:
    assert len(ROWS) >= 60 and len({row[0] for row in ROWS}) == len(ROWS)
    assert {"ours", "lesson", "facechain"} <= set(SETS)


def test_the_users_own_tags_beat_the_rules() -> None:
    rules = t.load_rules("ours", keep=["Scar on cheek", "*_mole"], remove=["one_arm", "*_hat"])
    assert t.decide("scar_on_cheek", rules).because == "always keep: 'scar_on_cheek'"
    assert t.decide("big mole", rules).kept and not t.decide("straw_hat", rules).kept
    assert t.split(["one arm", "scar_on_cheek", "smile"], rules) == (("scar_on_cheek", "smile"), ("one_arm",))
    assert t.decide("beard", t.load_rules(keep=["beard"]), constant=["beard"]).kept


def test_a_tag_cannot_be_kept_and_removed() -> None:
    with pytest.raises(BadRequest, match="scar"):
        t.load_rules(keep=["scar"], remove=["Scar"])


def test_unknown_and_broken_rule_sets_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="poem") as caught:
        t.load_rules("poem")
    assert "lesson" in str(caught.value.hint)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "mine.toml").write_text('name = "mine"\n[remove]\nequal = ["tie"]\n')
    assert not t.decide("tie", t.load_rules("mine", [tmp_path])).kept
    (tmp_path / "rules" / "mine.toml").write_text('name = "mine"\n[drop]\n')
    with pytest.raises(BadFile, match="drop"):
        t.load_rules("mine", [tmp_path])


def test_explain_counts_photos_and_names_the_rule() -> None:
    photos = [["black_hair", "smile", "beard"], ["Black hair", "black_hair", "beard"], ["hat", "beard"]]
    told = {one.tag: one for one in t.explain(photos, SETS["ours"])}
    assert [one.tag for one in t.explain(photos, SETS["ours"])] == ["beard", "black_hair", "hat", "smile"]
    assert (told["black_hair"].times, told["black_hair"].photos, told["black_hair"].kept) == (2, 3, False)
    assert "ends in '_hair'" in told["black_hair"].because and "every photo" in told["beard"].because
    assert told["smile"].kept and "no rule" in told["smile"].because
