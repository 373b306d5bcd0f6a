"""The one exception that a user's mistake or a broken input raises."""


class LogpiError(ValueError):
    """Says what is wrong, where, what is allowed and the next step; the command line prints it and exits 1."""
