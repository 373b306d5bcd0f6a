"""JSON in and out of the routes of the page."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from logpi.errors import LogpiError
from logpi.runs.files import json_text


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body of a request.

    Raises:
        LogpiError: it is something else.
    """
    try:
        found = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError) as error:
        raise LogpiError(f"the request is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise LogpiError(f"the request is a {type(found).__name__}; allowed: a JSON object")
    return found


def json_answer(value: object, status: int = 200) -> Response:
    """``value`` as JSON: NaN and infinities are the strings "nan", "inf", "-inf"; arrays are lists."""
    return Response(json_text(value), status, media_type="application/json")
