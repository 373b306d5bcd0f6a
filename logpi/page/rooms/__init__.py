"""The rooms of the page: each a module with ``routes(page)`` here, and ``static/rooms/<room>.js`` with ``mount``."""
