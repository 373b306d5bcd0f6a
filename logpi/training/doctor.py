"""``logpi doctor``: devices, versions, extras and tools on this machine."""

from __future__ import annotations

import importlib.util

from logpi.errors import LogpiError
from logpi.runs.files import Json

EXTRAS = {  # the modules that each brings
    "box2d": ("Box2D",),
    "atari": ("ale_py", "cv2"),
    "mujoco": ("mujoco",),
    "fast": ("envpool",),
    "gymnax": ("gymnax",),
    "brax": ("brax",),
    "playground": ("mujoco_playground",),
    "pettingzoo": ("pettingzoo",),
    "minari": ("minari", "h5py"),
    "onnx": ("jax2onnx",),
    "hub": ("huggingface_hub",),
}


def examine() -> Json:
    """Devices, versions, extras, compilation cache, video and display, as JSON-able facts."""
    from logpi.driver import devices
    from logpi.runs.cards import cores, describe
    from logpi.view.screen import has_display
    from logpi.view.video import ffmpeg_works

    try:
        devices.start()
        facts = describe()
    except LogpiError as error:
        facts = describe(device=str(error))
    return {
        **facts,
        "cores": cores(),
        "compilation cache": _cache(),
        "video": "mp4" if ffmpeg_works() else "gif (ffmpeg does not work here)",
        "display": has_display(),
        **{
            f"extra [{extra}]": "installed"
            if all(map(importlib.util.find_spec, modules))
            else f"pip install 'logpi[{extra}]'"
            for extra, modules in EXTRAS.items()
        },
    }


def _cache() -> str:
    """Folder and size of the compilation cache."""
    from logpi.driver import devices

    try:
        folder = devices.cache_folder()
    except RuntimeError as error:
        return f"none ({error})"
    files = [f for f in folder.glob("*") if f.is_file()] if folder.is_dir() else []
    return f"{folder} ({len(files)} files, {sum(f.stat().st_size for f in files) / 1e6:.1f} MB)"
