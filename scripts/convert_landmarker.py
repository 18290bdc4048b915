"""Convert MediaPipe's face landmarker to the weights that this package ships.

    pip install tflite
    python scripts/convert_landmarker.py face_landmarker.task [--out FILE]

``face_landmarker.task`` (Apache-2.0) is a zip archive of three TensorFlow Lite models:
https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task
Their weights are halves already, so nothing is lost. Each model is a list of operations in the
order in which they run; so are the convolutions and activations of our networks, and one is poured
into the other, shape by shape.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tflite
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.face.landmarker.blendshapes import BlendshapeMixer
from dreamtalk.face.landmarker.detector import BlazeFace
from dreamtalk.face.landmarker.mesh import FaceMesh
from dreamtalk.face.landmarker.weights import ASSET, FORMAT

SOURCE = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    "face_landmarker.task"
)
PROVENANCE = {
    "format": FORMAT,
    "license": "Apache-2.0",
    "copyright": "Copyright The MediaPipe Authors",
    "source": SOURCE,
    "changes": "converted from TensorFlow Lite by scripts/convert_landmarker.py; values unchanged",
}
OPERATORS = {code: name for name, code in vars(tflite.BuiltinOperator).items() if name.isupper()}
DTYPES = {tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.FLOAT16: np.float16}


class Model:
    """The operations of a TensorFlow Lite model and its constant tensors."""

    def __init__(self, data: bytes) -> None:
        self._model = tflite.Model.GetRootAsModel(data, 0)
        self._graph = self._model.Subgraphs(0)
        operators = [self._graph.Operators(i) for i in range(self._graph.OperatorsLength())]
        self._halves = {
            op.Outputs(0): op.Inputs(0) for op in operators if self._name(op) == "DEQUANTIZE"
        }
        self.operations = [(self._name(op), op) for op in operators]

    def _name(self, operation: tflite.Operator) -> str:
        code = self._model.OperatorCodes(operation.OpcodeIndex())
        return OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]

    def constant(self, index: int) -> Tensor | None:
        """The values of a tensor, or None if it is computed."""
        tensor = self._graph.Tensors(self._halves.get(index, index))
        buffer = self._model.Buffers(tensor.Buffer())
        if buffer.DataLength() == 0 or tensor.Type() not in DTYPES:
            return None
        values = np.frombuffer(buffer.DataAsNumpy().tobytes(), DTYPES[tensor.Type()])
        shape = [tensor.Shape(i) for i in range(tensor.ShapeLength())]
        return torch.from_numpy(values.reshape(shape).copy())

    def constants(self, *names: str) -> list[list[Tensor]]:
        """The constant inputs of the operations with these names, in the order they run."""
        found = []
        for name, operation in self.operations:
            if name in names:
                inputs = (
                    self.constant(operation.Inputs(i)) for i in range(operation.InputsLength())
                )
                found.append([values for values in inputs if values is not None])
        return found


def pour(constants: Iterable[list[Tensor]], layers: Iterable[nn.Module]) -> None:
    """Copy weights and biases into convolutions and linear layers.

    Raises:
        ValueError: if a shape or their number is another.
    """
    for (weight, bias), layer in zip(constants, layers, strict=True):
        if isinstance(layer, nn.Linear):
            weight = weight.squeeze(2).squeeze(1)
        elif layer.groups > 1:
            weight = weight.permute(3, 0, 1, 2)
        else:
            weight = weight.permute(0, 3, 1, 2)
        fill(layer.weight, weight)
        if layer.bias is not None:
            fill(layer.bias, bias)
        elif bias.any():
            raise ValueError(f"{layer} has no place for the bias of its convolution")


def fill(parameter: nn.Parameter, values: Tensor) -> None:
    """Copy, exactly."""
    if parameter.shape != values.shape:
        raise ValueError(f"expected {tuple(parameter.shape)}, found {tuple(values.shape)}")
    parameter.data = values.half()
    if not torch.equal(parameter.data.float(), values.float()):
        raise ValueError("a weight does not fit into halves")


def convert_detector(model: Model) -> BlazeFace:
    """``face_detector.tflite``."""
    net = BlazeFace()
    blocks = [*net.fine, *net.coarse]
    layers = [net.stem, *(layer for b in blocks for layer in (b.depthwise, b.pointwise))]
    layers += [net.fine_scores, net.coarse_scores, net.fine_values, net.coarse_values]
    pour(model.constants("CONV_2D", "DEPTHWISE_CONV_2D"), layers)
    return net


def convert_mesh(model: Model) -> FaceMesh:
    """``face_landmarks_detector.tflite``; without its third output, whether the tongue is out."""
    net = FaceMesh()
    blocks = [*net.fine, *net.coarse]
    constants = model.constants("CONV_2D", "DEPTHWISE_CONV_2D")
    tongue = len(constants) - 3
    layers = [layer for b in blocks for layer in (b.squeeze, b.depthwise, b.widen)]
    layers = [net.stem, *layers, net.presence, net.landmarks]
    pour(constants[:tongue] + constants[tongue + 1 :], layers)
    slopes = [slope for b in blocks for slope in (b.squeeze_slope, b.slope)]
    for (values,), layer in zip(model.constants("PRELU"), [net.stem_slope, *slopes], strict=True):
        fill(layer.weight, values.flatten())
    return net


def convert_blendshapes(model: Model) -> BlendshapeMixer:
    """``face_blendshapes.tflite``."""
    net = BlendshapeMixer()
    layers = [(b.token_in, b.token_out, b.hidden, b.out) for b in net.blocks]
    layers = [net.mixture, net.embed, *(layer for four in layers for layer in four), net.scores]
    pour(model.constants("CONV_2D"), layers)
    norms = [norm for b in net.blocks for norm in (b.token_norm, b.norm)]
    scales = [c for c in model.constants("MUL") if c and c[0].ndim]
    for (values,), norm in zip(scales, norms, strict=True):
        fill(norm.weight, values)
    ((token,),) = (c for c in model.constants("CONCATENATION") if c)
    fill(net.token, token.flatten(1, 2))
    return net


CONVERTERS = {
    "detector": ("face_detector.tflite", convert_detector),
    "mesh": ("face_landmarks_detector.tflite", convert_mesh),
    "blendshapes": ("face_blendshapes.tflite", convert_blendshapes),
}


def main() -> None:
    """Read, convert, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", type=Path)
    parser.add_argument("--out", type=Path, default=ASSET)
    arguments = parser.parse_args()
    state = {}
    with zipfile.ZipFile(arguments.task) as archive:
        for name, (member, convert) in CONVERTERS.items():
            net = convert(Model(archive.read(member)))
            state.update({f"{name}.{key}": value for key, value in net.state_dict().items()})
    # one entry: several would be written in an order that changes from run to run
    digest = hashlib.sha256(arguments.task.read_bytes()).hexdigest()
    state = {key: value.contiguous() for key, value in state.items()}
    about = json.dumps({**PROVENANCE, "source_sha256": digest})
    save_file(state, arguments.out, {"about": about})
    size = arguments.out.stat().st_size
    print(f"{arguments.out}: {len(state)} tensors, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
