"""Extension of Griffe: the comment beside a field is its documentation, as in ``logpi.config.settings``."""

from typing import Any

import griffe

from logpi.config.help import field_comments


class FieldComments(griffe.Extension):
    """Gives each annotated field of a class that has no docstring its comment as one."""

    def on_class_members(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        if cls.source:
            for name, comment in field_comments(cls.source).items():
                field = cls.members.get(name)
                if comment and isinstance(field, griffe.Attribute) and field.docstring is None:
                    field.docstring = griffe.Docstring(comment, parent=field)
