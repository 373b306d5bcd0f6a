"""The page ``logpi ui``: a web server on this machine alone, and the modules that a browser loads from it."""
