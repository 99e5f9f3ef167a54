"""The page of a training: one HTML file that opens from disk, without network and without scripts.

Photos are inside the page as small JPEGs; portraits are linked beside it. Everything that came from outside is escaped.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from urllib.parse import quote

from portraitist.images import fit, to_pil
from portraitist.recipes import LIBRARY
from portraitist.requests import PortraitReport, Report
from portraitist.show.trials import draw_curve
from portraitist.show.words import FOOTER, label, summary
from portraitist.types import Picture

THUMBNAIL = 240


def draw_page(report: Report, photos: Sequence[tuple[str, Picture, bool]], titles: Mapping[str, str]) -> str:
    """The page of `report`; `photos` are (file name, picture, held out), `titles` the styles' titles by name."""
    template = Template((LIBRARY / "page" / "index.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"{report.sitter} – Portraitist"),
        sitter=escape(report.sitter),
        summary=escape(summary(report)),
        likeness=_likeness(report),
        photos="\n".join(_photo(name, picture, unseen, report.captions) for name, picture, unseen in photos),
        rejected=_rejected(report),
        portraits="\n".join(_portrait(one, titles) for one in report.portraits) or "<p>None were made.</p>",
        facts="\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _facts(report)),
        loss=_choosing(report) + _loss(report),
        footer=escape(FOOTER),
    )


def _likeness(report: Report) -> str:
    found = report.likeness
    if found.score is None:
        return f"<p>The likeness was not measured: {escape(found.reason or 'no portraits were made.')}</p>"
    painted = f" In the painted styles: <b>{found.painted:.2f}</b>." if found.painted is not None else ""
    told = report.training.choosing if report.training else None
    unseen = escape(", ".join(name for name in report.held_out if told is None or name not in told.photos))
    return (
        f"<p>Likeness <b>{found.score:.2f}</b>, measured on photos that training never saw ({unseen}): "
        f"0 is no nearer than words can say, 1 as near as the sitter&rsquo;s own photo.{painted}</p>"
    )


def _photo(name: str, picture: Picture, unseen: bool, captions: Mapping[str, str]) -> str:
    caption = captions.get(name)
    more = f"<details><summary>caption</summary>{escape(caption)}</details>" if caption else ""
    note = "<b>unseen</b>" if unseen else ""
    return (
        f'<figure><img src="{_inline(picture)}" alt="{escape(name)}">'
        f"<figcaption><small>{escape(name)}</small>{note}</figcaption>{more}</figure>"
    )


def _inline(picture: Picture) -> str:
    buffer = io.BytesIO()
    to_pil(fit(picture, THUMBNAIL)[0]).save(buffer, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _rejected(report: Report) -> str:
    lines = [reason.message for photo in report.photos for reason in photo.reasons[:1]]
    lines += [warning.message for warning in report.warnings]
    return "\n".join(f'<p class="faint">{escape(line)}</p>' for line in lines)


def _portrait(one: PortraitReport, titles: Mapping[str, str]) -> str:
    title = escape(titles.get(one.style or "", one.style or "prompt"))
    file = quote(one.file)
    return (
        f'<figure><a href="{file}"><img src="{file}" alt="{title}" loading="lazy"></a>'
        f"<figcaption><span>{title}</span><b>{escape(label(one))}</b></figcaption>"
        f"<details><summary>request</summary><p>{escape(one.prompt)}</p><p>seed {one.seed}</p>"
        f"<p><code>portraitist portrait --again {escape(one.file)}</code></p></details></figure>"
    )


def _facts(report: Report) -> list[tuple[str, str]]:
    facts = [("Base", f"{report.base.name}, {report.base.version}")] if report.base else []
    if report.training:
        made = report.training
        facts.append(("Training", f"{made.steps} steps, {made.visits} looks at photos, {made.seconds:.0f} s"))
    if report.likeness.words:
        facts.append(("What words can say", report.likeness.words))
    facts.append(("Seconds", ", ".join(f"{name} {value:.0f}" for name, value in report.seconds.items())))
    facts.append(("Versions", ", ".join(f"{name} {value}" for name, value in report.versions.items())))
    return facts


def _choosing(report: Report) -> str:
    told = report.training.choosing if report.training else None
    if report.training is None or told is None:
        return ""
    steps, photos = " and ".join(map(str, told.steps)), escape(", ".join(told.photos))
    which = f"after step {steps}" if len(told.steps) == 1 else f"the mean of those after steps {steps}"
    by = "photos of their own" if told.by == "unseen photos" else "the training photos, for there were too few to spare"
    done = report.training.steps
    early = f" The score had peaked: {done} of {told.planned} planned steps were done." if done < told.planned else ""
    score = f"{round(told.score, 2) + 0.0:.2f}"  # no -0.00
    return (
        f"<p>Of the checkpoints the likeness is {which}, chosen by {by} ({photos}): score {score}, "
        f"by {told.pictures} pictures each.{early}</p>{draw_curve(report.training.checkpoints)}"
        f'<p><a href="{quote(told.file)}">What each of them drew</a></p>'
    )


def _loss(report: Report) -> str:
    values = report.training.loss if report.training else ()
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    points = " ".join(
        f"{100 * i / (len(values) - 1):.1f},{2 + 36 * (1 - (value - low) / ((high - low) or 1)):.1f}"
        for i, value in enumerate(values)
    )
    return (
        f'<p class="faint">Loss, from {values[0]:.3f} to {values[-1]:.3f}</p>'
        '<svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="loss">'
        f'<polyline points="{points}"/></svg>'
    )
