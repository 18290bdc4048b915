"""What newer ComfyUIs are told of the nodes, and that older ones are not asked for it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests import fake_comfy
from tests.comfy_pack import load_pack, node_classes

pack = load_pack()


@dataclass
class NewSchema(fake_comfy.Schema):
    """As of ComfyUI 0.33."""

    search_aliases: list[str] = field(default_factory=list)
    essentials_category: str | None = None
    has_intermediate_output: bool = False


def schemas() -> dict[str, Any]:
    return {name: cls.define_schema() for name, cls in node_classes().items()}


def test_every_node_is_found_by_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    import comfy_api.latest as api

    monkeypatch.setattr(api.io, "Schema", NewSchema)
    made = schemas()
    assert len(made) >= 23
    for name, schema in made.items():
        assert schema.search_aliases, name
        words = schema.display_name.lower()
        assert all(alias == alias.lower() and alias != words for alias in schema.search_aliases)
    assert made["DreamTalkTalk"].essentials_category == "Video Tools"
    kept = {name for name, schema in made.items() if schema.has_intermediate_output}
    assert kept == {
        name for name, cls in node_classes().items() if "ui.PreviewImage(" in inspect.getsource(cls)
    }
    assert "DreamTalkPortrait" in kept


def test_older_versions_get_what_they_know(monkeypatch: pytest.MonkeyPatch) -> None:
    import comfy_api.latest as api

    newer = {"search_aliases", "essentials_category", "has_intermediate_output"}
    everywhere = {name: [i.id for i in schema.inputs] for name, schema in schemas().items()}
    monkeypatch.delattr(api.io, "Autogrow")
    monkeypatch.delattr(api.io, "Curve")
    for name, schema in schemas().items():
        assert not newer & set(vars(schema))
        known = [i.id for i in schema.inputs]
        assert not {i.io_type for i in schema.inputs} & {"CURVE", "COMFY_AUTOGROW_V3"}
        gone = [id for id in everywhere[name] if id not in known]
        assert all(id == "curve" or id.startswith("more_") for id in gone), name


def test_tables_name_widgets_that_exist() -> None:
    from importlib import import_module

    tables = import_module(
        node_classes()["DreamTalkTalk"].__module__.rpartition(".")[0] + ".schema"
    )
    made = schemas()
    assert set(tables.ALIASES) >= set(made)
    widgets = {widget.id: widget for schema in made.values() for widget in schema.inputs}
    for name in ("sampler", "precision", "quality", "smoothing"):
        assert widgets[name].extra_dict["advanced"] is True
    for name in ("intensity", "liveliness", "head"):
        assert widgets[name].extra_dict["display"] == "slider"
    assert not getattr(widgets["seed"], "extra_dict", None)
