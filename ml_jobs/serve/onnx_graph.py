"""A model of any framework as an ONNX graph with the inputs and outputs that its model.json names."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

from catalog.errors import UserError
from ml_jobs.serve.artifact import ModelFile, Tensor
from ml_jobs.serve.frameworks import load
from ml_jobs.serve.tensors import DATATYPES

OPSET = 17
"""What onnxruntime 1.14 and later run, and both converters write."""


def graph_of(folder: Path, model: ModelFile) -> bytes:
    """Raises UserError when the framework or the model can't be converted."""
    if model.framework not in CONVERTERS:
        raise UserError(f"models of framework {model.framework} can't be exported; can: {', '.join(CONVERTERS)}")
    try:
        return CONVERTERS[model.framework](folder, model)
    except UserError:
        raise
    except Exception as error:  # the converters raise a great many kinds
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise UserError(f"{model.model} can't be converted to ONNX: {type(error).__name__}: {first}") from None


def _from_torch(folder: Path, model: ModelFile) -> bytes:
    import torch

    predictor: Any = load(folder, model)

    class Named(torch.nn.Module):
        """The outputs in model.json's order and datatypes, derived ones included."""

        def __init__(self) -> None:
            super().__init__()
            self.module = predictor.module.cpu()

        def forward(self, *tensors: Any) -> Any:
            answer = predictor.named(self.module(*tensors))
            return tuple(answer[spec.name].to(getattr(torch, _numpy_name(spec))) for spec in model.outputs)

    shapes = [[2 if size == -1 else size for size in spec.shape] for spec in model.inputs]
    rows = tuple(
        torch.zeros(shape, dtype=getattr(torch, _numpy_name(spec)))
        for shape, spec in zip(shapes, model.inputs, strict=True)
    )
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the exporter says that another one will take its place, which needs onnxscript
        torch.onnx.export(
            Named().eval(),
            rows,
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=[spec.name for spec in model.inputs],
            output_names=[spec.name for spec in model.outputs],
            dynamic_axes={
                spec.name: {axis: f"{spec.name}_{axis}" if axis else "rows" for axis in _open(spec)}
                for spec in (*model.inputs, *model.outputs)
            },
        )
    return buffer.getvalue()


def _from_sklearn(folder: Path, model: ModelFile) -> bytes:
    """Computed in FP32, for which alone onnxruntime has trees; what comes in and goes out is cast."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 2 or model.inputs[0].datatype == "BYTES":
        given = ", ".join(f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in model.inputs)
        raise UserError(f"{model.model} takes {given}; only a model of one table of numbers is exported")
    predictor: Any = load(folder, model)
    estimator = predictor.estimator
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    is_classifier = hasattr(last, "predict_proba")
    core = convert_sklearn(
        estimator,
        name=model.model,
        initial_types=[(model.inputs[0].name, FloatTensorType([None, model.inputs[0].shape[1]]))],
        options={id(last): {"zipmap": False}} if is_classifier else None,
        target_opset={"": OPSET, "ai.onnx.ml": 3},
    )
    found = [output.name for output in core.graph.output]
    answers = dict(zip(("label", "probabilities") if is_classifier else ("prediction",), found, strict=False))
    sources = {}
    for spec in model.outputs:
        source = "probabilities" if spec.name == "probabilities" else "label" if is_classifier else "prediction"
        if spec.name == "decision" or source not in answers:
            raise UserError(f"output {spec.name} of {model.model} has no ONNX counterpart; it has {', '.join(answers)}")
        sources[spec.name] = answers[source]
    return _framed(core, model, sources)


def _framed(core: Any, model: ModelFile, sources: dict[str, str]) -> bytes:
    """`core`, which takes FP32, between the casts and reshapes that give it model.json's inputs and outputs."""
    from onnx import TensorProto, checker, helper
    from onnx.compose import add_prefix

    inner = add_prefix(core, "core/")
    given = model.inputs[0]
    nodes = [helper.make_node("Cast", [given.name], [f"core/{given.name}"], to=TensorProto.FLOAT)]
    nodes += inner.graph.node
    initializers = list(inner.graph.initializer)
    for spec in model.outputs:
        shape, cast = f"shape/{spec.name}", f"cast/{spec.name}"
        initializers.append(helper.make_tensor(shape, TensorProto.INT64, [len(spec.shape)], spec.shape))
        nodes.append(helper.make_node("Cast", [f"core/{sources[spec.name]}"], [cast], to=_onnx_type(spec)))
        nodes.append(helper.make_node("Reshape", [cast, shape], [spec.name]))
    graph = helper.make_graph(
        nodes,
        model.model,
        [helper.make_tensor_value_info(spec.name, _onnx_type(spec), _dims(spec)) for spec in model.inputs],
        [helper.make_tensor_value_info(spec.name, _onnx_type(spec), _dims(spec)) for spec in model.outputs],
        initializers,
    )
    opsets = [*(item for item in core.opset_import if item.domain), helper.make_opsetid("", OPSET)]
    framed = helper.make_model(graph, opset_imports=opsets, ir_version=core.ir_version)
    checker.check_model(framed)
    return bytes(framed.SerializeToString())


def _from_onnx(folder: Path, model: ModelFile) -> bytes:
    return (folder / model.weights).read_bytes()


CONVERTERS = {"torch": _from_torch, "sklearn": _from_sklearn, "onnx": _from_onnx}


def to_int8(graph: bytes, work: Path) -> bytes:
    """The graph with 8-bit weights, its activations quantised as they come.

    Raises UserError for a graph that has nothing to quantise, as trees and scikit-learn's linear models.
    """
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source, target = work / "fp32.onnx", work / "int8.onnx"
    source.write_bytes(graph)
    logging.getLogger().setLevel(max(logging.getLogger().level, logging.ERROR))  # it advises on the root logger
    # onnxruntime's CPU kernel of ConvInteger takes weights of uint8 only
    quantize_dynamic(str(source), str(target), weight_type=QuantType.QUInt8)
    quantised = target.read_bytes()
    if not {node.op_type for node in onnx.load_from_string(quantised).graph.node} & QUANTISED:
        raise UserError(
            "the graph has no matrix product or convolution with constant weights: int8 would change nothing",
            "Export it without --int8.",
        )
    return quantised


QUANTISED = {"MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"}


def _open(spec: Tensor) -> list[int]:
    return [axis for axis, size in enumerate(spec.shape) if size == -1]


def _dims(spec: Tensor) -> list[int | str]:
    return [
        ("rows" if axis == 0 else f"{spec.name}_{axis}") if size == -1 else size for axis, size in enumerate(spec.shape)
    ]


def _numpy_name(spec: Tensor) -> str:
    import numpy as np

    return "bool" if spec.datatype == "BOOL" else np.dtype(DATATYPES[spec.datatype]).name


def _onnx_type(spec: Tensor) -> int:
    import numpy as np
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(DATATYPES[spec.datatype])))
