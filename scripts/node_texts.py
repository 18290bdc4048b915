"""Bring the help pages and the locales up to date with the nodes' schemas.

    python -m scripts.node_texts          # write
    python -m scripts.node_texts --check  # only say what is out of date; exit status 1 if any is
    python -m scripts.node_texts --missing > texts.json  # what the languages lack, to be filled in
    python -m scripts.node_texts --take texts.json       # the answers, into the translations

In a help page (``web/docs/NODE_ID.md``) everything between ``## Inputs`` and ``## Notes`` is
written by this script, and the picture above it, if ``scripts.help_pictures`` drew one; the rest is
written by hand. Locales are made from the schemas and from
``scripts/translations/LANGUAGE.json`` (English text -> translation); ``glossary.md`` beside them
says which word stands for which.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tests.comfy_pack import node_classes

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "web" / "docs"
IMAGES = DOCS / "images"
LOCALES = ROOT / "locales"
TRANSLATIONS = ROOT / "scripts" / "translations"


def readable(name: str) -> str:
    """An input id as people read it."""
    return name.replace("_", " ")


def tables(schema: Any) -> str:
    """The generated part of a help page: lists, since the help panel is narrow."""
    lines = ["## Inputs", ""]
    for item in schema.inputs:
        kind = item.io_type + (", optional" if item.optional else "")
        lines.append(f"- `{item.id}` ({kind}): {item.tooltip}")
    lines += ["", "## Outputs", ""]
    lines += [f"- `{o.display_name}` ({o.io_type}): {o.tooltip}" for o in schema.outputs]
    return "\n".join(lines) + "\n"


def page(schema: Any, current: str) -> str:
    """A help page with its picture and its tables renewed."""
    if not current:
        current = f"# {schema.display_name}\n\n{schema.description}\n"
    before, _, after = current.partition("## Inputs")
    notes = after.partition("## Notes")[2]
    written = [line for line in before.splitlines() if not line.startswith("![")]
    text = "\n".join(written).rstrip() + "\n\n"
    if (IMAGES / f"{schema.node_id}.jpg").is_file():
        text += f"![{schema.display_name}: a result](images/{schema.node_id}.jpg)\n\n"
    text += tables(schema)
    return text + (f"\n## Notes{notes.rstrip()}\n" if notes else "")


def locale(classes: dict[str, Any], translated: dict[str, str]) -> str:
    """A nodeDefs.json: texts that ``translated`` lacks stay English."""

    def say(text: str) -> str:
        return translated.get(text, text)

    entries = {}
    for node_id, cls in classes.items():
        schema = cls.GET_SCHEMA()
        entries[node_id] = {
            "display_name": say(schema.display_name),
            "description": say(schema.description),
            "inputs": {
                i.id: {"name": say(readable(i.id)), "tooltip": say(i.tooltip)}
                for i in schema.inputs
            },
            "outputs": {
                str(n): {"name": say(o.display_name), "tooltip": say(o.tooltip)}
                for n, o in enumerate(schema.outputs)
            },
        }
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def texts(classes: dict[str, Any]) -> set[str]:
    """All English texts of the nodes."""
    found = set()
    for cls in classes.values():
        schema = cls.GET_SCHEMA()
        found |= {schema.display_name, schema.description}
        found |= {text for i in schema.inputs for text in (readable(i.id), i.tooltip)}
        found |= {text for o in schema.outputs for text in (o.display_name, o.tooltip)}
    return found


def missing(classes: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Language -> the English texts that it lacks, each with an empty translation."""
    found = {}
    for table in sorted(TRANSLATIONS.glob("*.json")):
        lacking = texts(classes) - set(json.loads(table.read_text(encoding="utf-8")))
        if lacking:
            found[table.stem] = dict.fromkeys(sorted(lacking), "")
    return found


def take(classes: dict[str, Any], answers: dict[str, dict[str, str]]) -> None:
    """Fill translations in, and drop those of texts that no node says any more.

    Args:
        classes: node id -> class.
        answers: as :func:`missing` gives them, filled in; texts that nothing lacks are left out.
    """
    wanted = texts(classes)
    for language, found in answers.items():
        table = TRANSLATIONS / f"{language}.json"
        known = json.loads(table.read_text(encoding="utf-8")) if table.is_file() else {}
        merged = {text: said for text, said in (found | known).items() if text in wanted and said}
        ordered = {text: merged[text] for text in (*known, *found) if text in merged}
        table.write_text(json.dumps(ordered, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


def main(check: bool) -> int:
    """Write or check; returns how many files are out of date."""
    classes = node_classes()
    wanted = {LOCALES / "en" / "nodeDefs.json": locale(classes, {})}
    for table in sorted(TRANSLATIONS.glob("*.json")):
        translated = json.loads(table.read_text(encoding="utf-8"))
        wanted[LOCALES / table.stem / "nodeDefs.json"] = locale(classes, translated)
    for node_id, cls in classes.items():
        path = DOCS / f"{node_id}.md"
        current = path.read_text(encoding="utf-8") if path.is_file() else ""
        wanted[path] = page(cls.GET_SCHEMA(), current)
    stale = [
        path
        for path, text in wanted.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
    return len(stale) if check else 0


def command() -> int:
    """What the command line asks for; its exit status."""
    parser = argparse.ArgumentParser(description="Help pages and locales from the nodes' schemas.")
    wish = parser.add_mutually_exclusive_group()
    wish.add_argument("--check", action="store_true", help="only say what is out of date")
    wish.add_argument("--missing", action="store_true", help="print what the languages lack")
    wish.add_argument("--take", type=Path, metavar="FILE", help="take translations from a file")
    wanted = parser.parse_args()
    if wanted.missing:
        sys.stdout.write(json.dumps(missing(node_classes()), indent=1, ensure_ascii=False) + "\n")
        return 0
    if wanted.take:
        take(node_classes(), json.loads(wanted.take.read_text(encoding="utf-8")))
    return min(1, main(wanted.check))


if __name__ == "__main__":
    sys.exit(command())
