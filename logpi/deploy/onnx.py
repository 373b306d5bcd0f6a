"""An agent as an ONNX model, by jax2onnx; checked with onnxruntime before it is written."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from logpi.errors import LogpiError
from logpi.runs.files import atomic_write
from logpi.tasks import Exported

OPSET = 21  # version of ONNX's operators: onnxruntime 1.20 and newer, in browsers too
BATCH = "B"  # name of the first axis where its length is free
EQUAL = 1e-5  # largest difference from the agent: absolute below 1, relative above


def write_onnx(exported: Exported, path: Path, facts: Mapping[str, str]) -> list[str]:
    """Write ``exported`` as an ONNX model, and check that it gives what the agent gives.

    Args:
        exported: the function, its inputs and outputs.
        path: of the file.
        facts: kept in the model's metadata beside those of ``exported``.

    Returns:
        The inputs and outputs for people: name, type and shape.

    Raises:
        LogpiError: the extra is missing, the network uses an operation that ONNX lacks, the model's answers differ
            from the agent's, or the disk refuses.
    """
    model = converted(exported)
    for key, value in {**exported.facts, **facts}.items():
        model.metadata_props.add(key=key, value=value)
    data = model.SerializeToString()
    lines = check(data, exported)
    atomic_write(path, data)
    return lines


def converted(exported: Exported) -> Any:
    """The ``onnx.ModelProto`` of ``exported``; raises as ``write_onnx``."""
    import jax

    try:
        with _undone(jax.numpy, jax.nn, jax.lax):
            import jax2onnx
    except ImportError as error:
        raise LogpiError("ONNX needs the packages of the extra onnx: pip install 'logpi[onnx]'") from error
    first = 1 if exported.single else BATCH
    shapes = [jax.ShapeDtypeStruct((first, *x.shape[1:]), x.dtype) for x in exported.inputs.values()]
    try:
        with _quiet(), _undone(jax.numpy, jax.nn, jax.lax):
            return jax2onnx.to_onnx(
                exported.function,
                shapes,
                model_name="logpi",
                opset=OPSET,
                input_names=list(exported.inputs),
                output_names=list(exported.outputs),
            )
    except LogpiError:
        raise
    except Exception as error:  # whatever a network of the user's own leads to
        raise LogpiError(
            f"jax2onnx cannot convert this agent: {type(error).__name__}: {error!s:.300}; a network of your own must "
            "keep to operations that it knows, and to shapes that do not depend on the batch"
        ) from error


def check(model: bytes, exported: Exported) -> list[str]:
    """Inputs and outputs of a model for people, once it gives what the function gives on its examples.

    Raises:
        LogpiError: the answers differ by more than ``EQUAL``.
    """
    import jax.numpy as jnp
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    length = len(next(iter(exported.inputs.values())))
    whole = [] if exported.single else [slice(None)]
    for some in (*whole, slice(length - 1, None)):  # the batch of all examples, and a batch of one
        given = {name: x[some] for name, x in exported.inputs.items()}
        wanted = exported.function(*(jnp.asarray(x) for x in given.values()))
        found = session.run(list(exported.outputs), {part.name: given[part.name] for part in session.get_inputs()})
        for name, want, got in zip(exported.outputs, wanted, found, strict=True):
            if not np.allclose(np.asarray(want), got, rtol=EQUAL, atol=EQUAL):
                raise LogpiError(
                    f"the ONNX model's {name} differs from the agent's: {got} instead of {want}; nothing was written"
                )
    return [f"{part.name}  {part.type}  {part.shape}" for part in (*session.get_inputs(), *session.get_outputs())]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No messages of the converter on what it does not know and does not need."""
    loggers = [logging.getLogger(name) for name in ("jax2onnx", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _undone(*modules: ModuleType) -> Iterator[None]:
    """What is put in place of functions of these modules is taken back: jax2onnx 0.17 leaves its own cumsum behind."""
    before = [(module, dict(vars(module))) for module in modules]
    try:
        yield
    finally:
        for module, names in before:
            for name, value in names.items():
                if getattr(module, name) is not value:
                    setattr(module, name, value)
