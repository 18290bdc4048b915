"""The translations: the same word for the same thing, nothing lost that is typed or clicked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts import node_texts
from tests.comfy_pack import node_classes

TABLES = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(node_texts.TRANSLATIONS.glob("*.json"))
}
GLOSSARY = (node_texts.TRANSLATIONS / "glossary.md").read_text(encoding="utf-8")


def rows(title: str) -> list[dict[str, str]]:
    """The table below a heading of the glossary, a row by the names of its columns."""
    part = GLOSSARY.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    head, _, *body = [[cell.strip() for cell in line] for line in lines]
    return [dict(zip(head, line, strict=True)) for line in body]


def test_the_frontends_languages_of_the_field_are_there() -> None:
    assert set(TABLES) == {"es", "fr", "ja", "ko", "zh", "zh-TW"}


@pytest.mark.parametrize("language", TABLES)
def test_names_are_those_of_the_glossary(language: str) -> None:
    told = {row["en"]: row[language] for row in rows("Inputs and outputs")}
    told |= {
        f"DreamTalk {row['en']}": f"DreamTalk {row[language]}" for row in rows("Nodes") if row["en"]
    }
    assert told
    assert {text: TABLES[language].get(text) for text in told} == told


@pytest.mark.parametrize("language", TABLES)
def test_words_of_the_glossary_are_used(language: str) -> None:
    said = " ".join(TABLES[language].values()).casefold()
    for row in rows("Words in sentences"):
        assert row[language].casefold() in said, row["en"]


@pytest.mark.parametrize("language", TABLES)
def test_what_is_typed_stays_as_it_is(language: str) -> None:
    """Paths, suffixes, channel names and example values are the same in every language."""
    literal = re.compile(
        r"models/dreamtalk|\.[a-z]{3,11}\b(?=[ ,.;:)]|$)|more_faces|lipAperture\+0\.02|cheeks\*1\.5"
        r"|eyeRight 210,180|'AI-generated'|wav2vec2_large_english|librosa"
    )
    for text, said in TABLES[language].items():
        for found in literal.findall(text):
            assert found.strip(".'") in said, (found, text)


@pytest.mark.parametrize("language", ["ja", "ko", "zh", "zh-TW"])
def test_nothing_is_left_in_english(language: str) -> None:
    letters = re.compile(r"[぀-ヿ一-鿿가-힣]")
    same = {"fps", "json"}
    left = [text for text, said in TABLES[language].items() if not letters.search(said)]
    assert set(left) <= same


def test_missing_texts_are_listed_and_taken(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """What is listed, filled in and taken back makes a complete table in the old order."""
    monkeypatch.setattr(node_texts, "TRANSLATIONS", tmp_path)
    classes = node_classes()
    wanted = sorted(node_texts.texts(classes))
    gone, lacking = "A text of a node that is gone.", wanted[3]
    table = {text: f"tr {text}" for text in [gone, *reversed(wanted)] if text != lacking}
    path = tmp_path / "ko.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    assert node_texts.missing(classes) == {"ko": {lacking: ""}}
    node_texts.take(classes, {"ko": {lacking: ""}})  # not filled in
    assert node_texts.missing(classes) == {"ko": {lacking: ""}}
    node_texts.take(classes, {"ko": {lacking: "done", "Unknown text.": "x", wanted[0]: "other"}})
    assert node_texts.missing(classes) == {}
    taken = json.loads(path.read_text(encoding="utf-8"))
    assert list(taken) == [text for text in reversed(wanted) if text != lacking] + [lacking]
    assert taken[lacking] == "done"
    assert taken[wanted[0]] == f"tr {wanted[0]}"
