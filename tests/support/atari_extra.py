"""Whether the extra [atari] is here."""

import importlib.util

import pytest

MISSING = [name for name in ("ale_py", "cv2") if importlib.util.find_spec(name) is None]
needs_atari = pytest.mark.skipif(bool(MISSING), reason=f"pip install 'logpi[atari]': {', '.join(MISSING)} missing")
