"""The game of ``docs/games.md``, as a file and as a module."""

import importlib.util
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "games.md"


def write_connect3(folder):
    """``connect3.py`` in ``folder``, as it stands in the documentation."""
    (code,) = re.findall(r'^```python\n("""Connect three.*?)^```', DOCS.read_text(), re.MULTILINE | re.DOTALL)
    path = Path(folder) / "connect3.py"
    path.write_text(code)
    return path


def connect3(folder):
    """Its ``Game``."""
    spec = importlib.util.spec_from_file_location("connect3_of_the_docs", write_connect3(folder))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.connect3()
