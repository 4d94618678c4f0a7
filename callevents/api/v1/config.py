"""The configuration as one document: export, import."""

from collections.abc import Iterable
from typing import Literal

from flask import Response, request
from pydantic import Field

from callevents.api.v1.call import Call, etag_of
from callevents.api.v1.models import Answer, Body, NoQuery, Query, QueryBoolean
from callevents.api.v1.operations import operation
from callevents.api.v1.problems import ApiError, FieldError, ProblemType
from callevents.api.v1.reading import DETAIL, YAML, first_messages, invalid
from callevents.api.v1.sent import field_names, leave_out, texts_in
from callevents.api_access.scopes import ApiScope
from callevents.db.session import end_transaction
from callevents.jobs.waker import wake
from callevents.operations.configuration.changes import Change, DocumentError
from callevents.operations.configuration.document import Document
from callevents.operations.configuration.export import export_configuration
from callevents.operations.configuration.importing import (
    import_configuration,
    lock_configuration,
)
from callevents.operations.configuration.text import to_yaml
from callevents.pbxs import pbxs

TAG = "Configuration"
#: Objects that one request may change or remove: reports to SQLite wait meanwhile.
MAX_CHANGED = 1000
EXAMPLE = {
    "version": 1,
    "receivers": [],
    "pbxs": [
        {
            "slug": "head-office",
            "name": "Head office",
            "format": "generic",
            "has_format_secret": False,
            "retention_days": None,
            "hides_numbers": False,
            "quotas": {
                "max_events_per_minute": None,
                "max_hooks": 50,
                "max_extensions": None,
                "max_open_deliveries": None,
            },
            "connector": None,
            "hooks": [],
            "extensions": [
                {
                    "number": "101",
                    "name": "Reception",
                    "hooks": [
                        {
                            "event": "dial-in",
                            "url": "https://crm.example.com/calls?token=••••",
                            "event_id": "hxJXzKkdkTmLvPEyVl2BwhFIp3xn0c",
                            "method": "POST",
                            "active": True,
                            "note": "",
                            "give_up_seconds": 86400,
                            "in_order": True,
                            "body_format": "form",
                            "parameters": "all",
                            "content_type": "",
                            "body_template": "",
                            "value_maps": {},
                            "scope": "extension",
                            "conditions": None,
                            "answers": {},
                            "missing_answer": "fail",
                            "headers": ["X-Key"],
                            "authentication": "none",
                            "is_signed": False,
                            "receiver": None,
                            "recipe_request": "",
                        }
                    ],
                }
            ],
        }
    ],
}


class Configuration(Document, Answer):
    """Receivers, PBXs, extensions, requests and connectors, without secrets."""


class NewConfiguration(Document, Body):
    """The wanted configuration. What is left out has its default."""


class ConfigurationQuery(Query):
    """How to import a configuration."""

    dry_run: QueryBoolean = Field(False, description="Only list what would change.")
    prune: QueryBoolean = Field(False, description="Remove what the document does not have.")


class ConfigurationChange(Answer):
    """A change that an import makes."""

    done: Literal["added", "changed", "removed"]
    object: Literal["pbx", "receiver", "connector", "extension", "hook"]
    name: str = Field(description="Such as `head-office 101 dial-in`.")
    fields: list[str] = Field(description="What has changed.")
    missing_secrets: list[str] = Field(
        description="Secrets that no document has. Enter them, or make new ones."
    )


class ConfigurationImport(Answer):
    """What an import has changed, or would change."""

    dry_run: bool
    changes: list[ConfigurationChange]


@operation(
    "GET",
    "/config",
    scope=ApiScope.CONFIG_READ,
    summary="Export the configuration",
    tag=TAG,
    answer=Configuration,
    answer_example=EXAMPLE,
    has_etag=True,
    more_media_types=(YAML,),
)
def export_config(call: Call[NoQuery, None]) -> Configuration | Response:
    """Return PBXs, extensions, requests and connectors as one document, in a fixed order.

    It has no secrets: no tokens, no credentials, no values of headers, and `••••` in the place of
    secrets in URLs. With `Accept: application/yaml` you get YAML. Only admins of all PBXs may do
    this.
    """
    call.administer()
    found = _export()
    if request.accept_mimetypes.best_match(["application/json", YAML]) != YAML:
        return found
    response = Response(to_yaml(found), content_type=YAML)
    response.set_etag(_yaml_tag(found))
    return response


@operation(
    "PUT",
    "/config",
    scope=ApiScope.CONFIG_WRITE,
    summary="Import a configuration",
    tag=TAG,
    query=ConfigurationQuery,
    body=NewConfiguration,
    body_example=EXAMPLE,
    body_media_types=(YAML,),
    answer=ConfigurationImport,
    answer_example={
        "dry_run": True,
        "changes": [
            {
                "done": "changed",
                "object": "hook",
                "name": "head-office 101 dial-in",
                "fields": ["method"],
                "missing_secrets": [],
            }
        ],
    },
    problems=frozenset(
        {ProblemType.CONFLICT, ProblemType.NOT_FOUND, ProblemType.PRECONDITION_FAILED}
    ),
)
def import_config(call: Call[ConfigurationQuery, NewConfiguration]) -> ConfigurationImport:
    """Make the configuration like the document: add what is missing, change what differs.

    Only with `prune=true` is anything removed. All or nothing: if one value is invalid, nothing
    changes, and `pointer` says where it is. The same document twice changes nothing the second
    time. One request changes or removes 1,000 objects at most. Stored secrets stay as they are;
    requests and connectors that are added without their secrets send nothing until you enter these.
    `If-Match` may have the ETag of the export, as JSON or as YAML. Send YAML as
    `application/yaml`. Only admins of all PBXs may do this.
    """
    call.administer()
    if call.if_match or call.if_none_match:
        lock_configuration()
        found = _export()
        call.check_match(found, _yaml_tag(found))
    try:
        changes = import_configuration(call.body, prune=call.query.prune, limit=MAX_CHANGED)
    except DocumentError as error:
        known = field_names(NewConfiguration)
        sent = texts_in(call.body.model_dump(mode="json"), known)
        raise _invalid(error, sent) from None
    described = [_describe(change) for change in changes]
    if call.query.dry_run:
        end_transaction()
    elif changes:
        call.after_commit(wake)
    return ConfigurationImport(dry_run=call.query.dry_run, changes=described)


def _export() -> Configuration:
    found = export_configuration(pbxs.list_pbxs())
    return Configuration.model_construct(receivers=found.receivers, pbxs=found.pbxs)


def _yaml_tag(found: Configuration) -> str:
    """Return the entity tag of the document as YAML, which is another text than the JSON."""
    return f"{etag_of(found)}-yaml"


def _describe(change: Change) -> ConfigurationChange:
    return ConfigurationChange(
        done=change.done.value,
        object=change.kind.value,
        name=change.name,
        fields=list(change.fields),
        missing_secrets=list(change.missing_secrets),
    )


def _invalid(error: DocumentError, sent: Iterable[str]) -> ApiError:
    texts = list(sent)
    found = [
        FieldError(f"#/{pointer}", leave_out(sentence, texts))
        for pointer, sentence in first_messages(error)
    ]
    return invalid(DETAIL, found)
