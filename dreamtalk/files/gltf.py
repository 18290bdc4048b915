"""Writes glTF 2.0 binary files (.glb): a JSON that describes a scene, and the numbers behind it.

Khronos Group, "glTF 2.0 Specification", sections 4.4 (GLB) and 3.6 (accessors).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

VERTICES, INDICES = 34962, 34963
"""What a buffer view is for (ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER); None for animation."""
_COMPONENTS = {"float32": 5126, "uint16": 5123, "uint32": 5125}
_TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}
_MAGIC, _JSON, _BIN = b"glTF", b"JSON", b"BIN\0"


class Buffer:
    """Collects arrays for the binary part of a file; each becomes an accessor."""

    def __init__(self) -> None:
        self.accessors: list[dict[str, Any]] = []
        self.views: list[dict[str, Any]] = []
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, values: npt.NDArray[Any], target: int | None = None, bounds: bool = False) -> int:
        """Add an array.

        Args:
            values: (N,) or (N, 3) or (N, 4) of float32, uint16 or uint32.
            target: what it is for, if it is of a mesh.
            bounds: whether least and largest values are told; positions and times need them.

        Returns:
            The number of its accessor.
        """
        flat = np.ascontiguousarray(values)
        width = 1 if flat.ndim == 1 else flat.shape[1]
        data = flat.astype(flat.dtype.newbyteorder("<")).tobytes()
        view: dict[str, Any] = {
            "buffer": 0, "byteOffset": self._size, "byteLength": len(data)
        }  # fmt: skip
        if target is not None:
            view["target"] = target
        accessor: dict[str, Any] = {
            "bufferView": len(self.views),
            "componentType": _COMPONENTS[flat.dtype.name],
            "count": len(flat),
            "type": _TYPES[width],
        }
        if bounds:
            rows = flat.reshape(len(flat), width)
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        padded = data + bytes(-len(data) % 4)
        self._parts.append(padded)
        self._size += len(padded)
        self.views.append(view)
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def to_glb(self, scene: Mapping[str, Any]) -> bytes:
        """The whole file.

        Args:
            scene: the rest of the JSON, which names accessors by their numbers.
        """
        described = {
            **scene, "accessors": self.accessors, "bufferViews": self.views,
            "buffers": [{"byteLength": self._size}],
        }  # fmt: skip
        text = json.dumps(described, separators=(",", ":")).encode("utf-8")
        text += b" " * (-len(text) % 4)
        body = b"".join(self._parts)
        chunks = b"".join(
            struct.pack("<I4s", len(chunk), kind) + chunk
            for kind, chunk in ((_JSON, text), (_BIN, body))
        )
        return struct.pack("<4sII", _MAGIC, 2, 12 + len(chunks)) + chunks
