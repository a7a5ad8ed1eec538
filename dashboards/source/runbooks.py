"""`runbooks.md` as a dashboard: a panel for the page of symptoms and one for each alert, so that a link from a panel opens
its paragraph wherever Grafana runs."""

import pathlib
import re

UID = "rts-runbooks"
TITLE = "Runbooks"
FILE = pathlib.Path(__file__).resolve().parents[1] / "runbooks.md"
SYMPTOMS = "Users say it is slow: look here"


def _sections():
    """Returns title and text of each section: the page of symptoms first, then the alerts."""
    parts = re.split(r"^##+ (.+)\n", FILE.read_text(), flags=re.MULTILINE)
    titles = dict(zip(parts[1::2], parts[2::2]))
    return {title: text.strip() for title, text in titles.items() if text.strip()}


SECTIONS = _sections()
_IDS = {title: number for number, title in enumerate(SECTIONS, 1)}


def _url(title):
    return f"/d/{UID}?viewPanel={_IDS[title]}"


def link(alert):
    """Returns a panel's link to the paragraph of an alert, or to the page of symptoms."""
    title, name = (alert, f"Runbook: {alert}") if alert else (SYMPTOMS, SYMPTOMS)
    return {"title": name, "url": _url(title), "targetBlank": True}


def _here(text):
    """Anchors of the file are panels here; what is beside the file is named only."""
    ids = {title.lower(): title for title in SECTIONS}
    text = re.sub(r"\]\(#(\w+)\)", lambda anchor: f"]({_url(ids[anchor[1]])})", text)
    return re.sub(r"\[([^\]]+)\]\(\.\.[^)]*\)", r"\1", text)


def panels():
    """Yields the panels, each with its place."""
    y = 0
    for index, (title, text) in enumerate(SECTIONS.items()):
        is_wide = index == 0
        width, height = (24, 22) if is_wide else (12, 9)
        x = 0 if is_wide or index % 2 else 12
        yield {
            "type": "text",
            "title": title,
            "description": f"From runbooks.md: {title}.",
            "options": {"mode": "markdown", "content": _here(text)},
            "id": _IDS[title],
            "gridPos": {"h": height, "w": width, "x": x, "y": y},
        }
        y += height if is_wide or x else 0
