"""What all of logpi's plots share."""


def test_a_drawing_library_that_is_broken_ends_no_run(monkeypatch):
    from logpi.view import panels

    def broken(name):
        raise ValueError("a style file that cannot be read")

    monkeypatch.setattr(panels.importlib, "import_module", broken)
    panels.ready()
