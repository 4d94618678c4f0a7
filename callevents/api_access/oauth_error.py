"""Errors of OAuth 2.0 (RFC 6749, sections 4.1.2.1 and 5.2)."""

from enum import StrEnum

from callevents.errors import CallEventsError


class OAuthErrorCode(StrEnum):
    """The codes, as apps get them."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    ACCESS_DENIED = "access_denied"
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"


class OAuthError(CallEventsError):
    """An app's request is refused, with one of the codes; the text is for the app's developer.

    It has neither quotation marks nor backslashes, which RFC 6749 does not allow there, and
    nothing that was sent.
    """

    def __init__(self, code: OAuthErrorCode, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)
