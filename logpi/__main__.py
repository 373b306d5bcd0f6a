"""``python -m logpi`` is ``logpi``."""

import os
import sys

if __name__ == "__main__":
    # Python puts the working folder first here, so that a file called numpy.py beside a run would take NumPy's place.
    # The command `logpi` has no such folder; where logpi itself lies in it, it is looked at last.
    if not sys.flags.safe_path and sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(os.getcwd()):
        _folder = sys.path.pop(0)
        if os.path.realpath(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) == os.path.realpath(_folder):
            sys.path.append(_folder)
    from logpi.cli.main import run

    run()
