"""Texts of the document that belong to no operation."""

from collections.abc import Mapping

VERSION = "1.0.0"
SUMMARY = "Manage PBXs, requests, deliveries and users of Call Events."
DESCRIPTION = """\
Programs can do all that admins do on the pages and by command.

- **Token**: send `Authorization: Bearer TOKEN`. A token may do what its scopes and the roles of its
  owner both allow.
- **Format**: JSON in UTF-8, names in snake case, times in UTC with milliseconds. Unknown fields and
  parameters are errors. Later versions may add fields to answers: ignore those that you do not
  know.
- **Errors** are problem documents (RFC 9457). `type` never changes, and leads to an explanation.
- **Lists** are newest first. Pass `next_cursor` as `cursor`, or follow `Link: rel="next"`.
- **Changes at the same time**: send the `ETag` that you read as `If-Match`. The answer 412
  says that someone else has changed the object since.
- **Repeated requests**: send an `Idempotency-Key` with each POST. If you do not get the answer,
  send the same again.
- **Rate limit**: `RateLimit` says what is left. After a 429, wait as `Retry-After` says.
"""

#: What the operations of a tag are about.
TAGS: Mapping[str, str] = {
    "About": "Your token, and this document.",
    "Status": "Whether the installation works.",
    "Event types": "What can happen to an extension.",
    "PBXs": "The phone systems that report to us.",
    "Ingest tokens": "Tokens with which PBXs report.",
    "Connectors": "Connections to PBXs whose event stream we read.",
    "Extensions": "Numbers of a PBX.",
    "Groups": "Extensions of a PBX that are treated alike, by list or pattern.",
    "Hooks": "A hook is the request for one event of an extension. Pages call it a request.",
    "Receivers": "Third-party applications whose address and authentication hooks share.",
    "Recipes": "How receivers take call events: what to enter, and the requests for them.",
    "Deliveries": "Call events on their way to receivers, and the attempts made for each.",
    "Calls and call events": "What PBXs have reported.",
    "Users": "People who sign in, and their roles.",
    "Tokens": "API tokens.",
    "Apps": "OAuth 2.0 apps.",
    "History": "Who did what and when.",
    "Configuration": "All that is configured, as one document.",
    "What we send": "The HTTP requests that receivers get, as their hooks are configured.",
}
