"""``logpi doctor``: devices, versions, extras and tools on this machine."""

from __future__ import annotations

import importlib.util
import os

from logpi.runs.files import Json

EXTRAS = {"box2d": "Box2D", "atari": "ale_py", "mujoco": "mujoco"}


def examine() -> Json:
    """Devices, versions, extras, compilation cache, video and display, as JSON-able facts."""
    from logpi.driver import devices
    from logpi.runs.cards import describe
    from logpi.view.video import ffmpeg_works, has_display

    cache = devices.cache_folder()
    files = [f for f in cache.glob("*") if f.is_file()] if cache.is_dir() else []
    return {
        **describe(),
        "cores": os.cpu_count(),
        "compilation cache": f"{cache} ({len(files)} files, {sum(f.stat().st_size for f in files) / 1e6:.1f} MB)",
        "video": "mp4" if ffmpeg_works() else "gif (ffmpeg does not work here)",
        "display": has_display(),
        **{
            f"extra [{extra}]": "installed" if importlib.util.find_spec(module) else f"pip install 'logpi[{extra}]'"
            for extra, module in EXTRAS.items()
        },
    }
