"""What is in the wheel: every file beside the modules is package data (``.ci/wheel`` installs it)."""

import tomllib
from pathlib import PurePosixPath

from manual import ROOT


def test_every_file_beside_the_modules_is_package_data():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["logpi"]
    package = ROOT / "logpi"
    files = [PurePosixPath(path.relative_to(package).as_posix()) for path in package.rglob("*") if path.is_file()]
    others = [path for path in files if path.suffix != ".py" and "__pycache__" not in path.parts]
    assert len(others) > 20
    assert [str(path) for path in others if not any(path.match(pattern) for pattern in patterns)] == []
    assert all(any(path.match(pattern) for path in files) for pattern in patterns)
