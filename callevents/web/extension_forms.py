"""Forms that add many extensions."""

from wtforms import FileField, StringField, TextAreaField

from callevents.web.forms import BaseForm


class ImportForm(BaseForm):
    """A CSV file, or its lines."""

    file = FileField("File")
    text = TextAreaField("Or paste lines")


class RangeForm(BaseForm):
    """A range of numbers."""

    first = StringField("First number")
    last = StringField("Last number")


class GroupForm(BaseForm):
    """A group of extensions."""

    name = StringField("Name")
    pattern = StringField("Pattern")
    members = TextAreaField("Extensions")
    template = StringField("New members get the requests of extension")
