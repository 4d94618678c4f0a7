"""What extensions look like in requests and answers."""

from typing import Annotated, Self

from pydantic import Field

from callevents.api.v1.models import Answer, Body, Changes, ListQuery, Moment
from callevents.api.v1.problem_models import ProblemField
from callevents.db import models
from callevents.db.models import MAX_NUMBER_LENGTH
from callevents.pbxs.extension_batches import AddResult, AddStatus
from callevents.validation import MAX_NAME_LENGTH

MAX_BATCH = 1000
NUMBER = f"The number as the PBX reports it, of 1 to {MAX_NUMBER_LENGTH} characters; not `*`."
NAME = f"The person or purpose, of up to {MAX_NAME_LENGTH} characters; may be empty."
SLUG = "The slug of the PBX."


class ExtensionQuery(ListQuery):
    """The filters of the list of extensions."""

    pbx: str | None = Field(None, description="Only extensions of the PBX with this slug.")
    number: str | None = Field(None, description="Only extensions with exactly this number.")
    group: str | None = Field(None, description="Only members of groups with this name.")


class Extension(Answer):
    """A number of a PBX for which requests can be made."""

    id: str
    pbx: str = Field(description=SLUG)
    number: str = Field(description=NUMBER)
    name: str = Field(description=NAME)
    created_at: Moment

    @classmethod
    def of(cls, extension: models.Extension, slug: str | None = None) -> Self:
        """Return the extension; `slug`: that of its PBX, if known."""
        return cls(
            id=extension.id,
            pbx=extension.pbx.slug if slug is None else slug,
            number=extension.number,
            name=extension.name,
            created_at=extension.created_at,
        )


class NewExtension(Body):
    """An extension to add."""

    number: str = Field(description=NUMBER)
    name: str = Field("", description=NAME)


class NewExtensions(Body):
    """Extensions to add to a PBX."""

    pbx: str = Field(description=SLUG)
    extensions: Annotated[list[NewExtension], Field(min_length=1, max_length=MAX_BATCH)]


class ExtensionResult(Answer):
    """What has become of one extension of the request."""

    status: AddStatus = Field(
        description="`created`; `exists`: the PBX has it already, and it keeps its name; "
        "`invalid`: see `errors`."
    )
    extension: Extension | None = Field(description="Null if it is invalid.")
    errors: list[ProblemField] = Field(description="Empty unless it is invalid.")

    @classmethod
    def of(cls, place: int, result: AddResult, slug: str) -> Self:
        """Return the result for the extension at this place in the request."""
        found = result.extension
        return cls(
            status=result.status,
            extension=None if found is None else Extension.of(found, slug),
            errors=[
                ProblemField(pointer=f"#/extensions/{place}/{name}", detail=sentence)
                for name, sentences in result.errors.items()
                for sentence in sentences
            ],
        )


class AddedExtensions(Answer):
    """The results of adding extensions."""

    created: int = Field(description="How many were created.")
    exists: int = Field(description="How many existed already.")
    invalid: int = Field(description="How many are invalid, and were not created.")
    results: list[ExtensionResult] = Field(description="One for each, in the order of the request.")


class ExtensionChanges(Changes):
    """What to change of an extension. Its number cannot be changed."""

    name: str | None = Field(
        None, max_length=MAX_NAME_LENGTH, description="The person or purpose; null: none."
    )
