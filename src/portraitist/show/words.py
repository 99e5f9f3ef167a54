"""The words under pictures and over pages: what a report comes to, what a portrait got."""

from portraitist.requests import PortraitReport, Report

FOOTER = (
    "Made by a computer from photos of the sitter. Score: 0 = no nearer than words, 1 = as near as an unseen photo."
)


def summary(report: Report) -> str:
    """`8 photos, 2 of them held out · 16 portraits · likeness 0.63 · mini-1`."""
    accepted = sum(photo.verdict == "accepted" for photo in report.photos)
    photos = f"{accepted} photos" + (f", {len(report.held_out)} of them held out" if report.held_out else "")
    score = report.likeness.score
    parts = [photos, f"{len(report.portraits)} portraits"]
    parts += [f"likeness {score:.2f}" if score is not None else "likeness not measured"]
    return " · ".join([*parts, report.base.version] if report.base else parts)


def label(portrait: PortraitReport) -> str:
    """The number under a portrait: its score, or without one its distance to the photos."""
    if portrait.faces != 1:
        return "no face" if portrait.faces == 0 else f"{portrait.faces} faces"
    if portrait.likeness is not None:
        return f"{round(portrait.likeness, 2) + 0.0:.2f}"  # no -0.00
    return f"distance {portrait.distance:.2f}" if portrait.distance is not None else ""
