"""``logpi export``: an agent as an ONNX model."""

from __future__ import annotations

import tyro

from logpi.cli.options import NO_OFF, Json, Target, newest_run
from logpi.cli.output import say, say_json
from logpi.errors import LogpiError


def export(argv: list[str]) -> int:
    """Write how an agent acts as an ONNX model."""

    def options(agent: Target = "", onnx: str = "", json: Json = False) -> tuple[str, str, bool]:
        """Write how an agent acts as an ONNX model, which other programs run without logpi, JAX and Python: the scale
        of observations, the network, the mask of actions and their units are inside.

        Args:
            onnx: File to write, .onnx; one that exists is replaced
        """
        return agent, onnx, json

    path, onnx, json = tyro.cli(options, args=argv, prog="logpi export", config=NO_OFF)
    if not onnx:
        raise LogpiError("no file to write: logpi export RUN --onnx agent.onnx")
    path = path or newest_run()
    import logpi.api.deploy as api

    written = api.export(path, onnx)
    if json:
        say_json({"agent": path, "path": written.path, "bytes": written.bytes})
        return 0
    from logpi.runs.files import size_text

    say("\n".join([f"{written.path}  {size_text(written.bytes)}", *(f"  {line}" for line in written.lines)]))
    return 0
