"""The actions that the history records, and the kinds of objects that they are about."""

from enum import StrEnum


class Action(StrEnum):
    """What was done. Values are stored: do not change them."""

    PBX_ADDED = "pbx.added"
    PBX_RENAMED = "pbx.renamed"
    PBX_FORMAT_CHANGED = "pbx.format_changed"
    PBX_QUOTAS_CHANGED = "pbx.quotas_changed"
    PBX_DATA_PROTECTION_CHANGED = "pbx.data_protection_changed"
    PBX_NUMBER_PLAN_CHANGED = "pbx.number_plan_changed"
    PBX_REMOVED = "pbx.removed"
    TOKEN_ADDED = "token.added"  # noqa: S105  # no secret
    TOKEN_REVOKED = "token.revoked"  # noqa: S105  # no secret
    CONNECTOR_ADDED = "connector.added"
    CONNECTOR_CHANGED = "connector.changed"
    CONNECTOR_ENABLED = "connector.enabled"
    CONNECTOR_DISABLED = "connector.disabled"
    CONNECTOR_REMOVED = "connector.removed"
    EXTENSION_ADDED = "extension.added"
    EXTENSION_RENAMED = "extension.renamed"
    EXTENSION_REMOVED = "extension.removed"
    GROUP_ADDED = "group.added"
    GROUP_CHANGED = "group.changed"
    GROUP_REMOVED = "group.removed"
    SUGGESTION_ACCEPTED = "suggestion.accepted"
    SUGGESTION_DISMISSED = "suggestion.dismissed"
    HOOK_CREATED = "hook.created"
    HOOK_CHANGED = "hook.changed"
    HOOK_ENABLED = "hook.enabled"
    HOOK_DISABLED = "hook.disabled"
    HOOK_CLEARED = "hook.cleared"
    HELD_CANCELLED = "hook.held_cancelled"
    REMOVAL_UNDONE = "removal.undone"
    HOOK_SUSPENDED = "hook.suspended"
    HOOK_RESUMED = "hook.resumed"
    HOOK_SIGNING_CHANGED = "hook.signing_changed"
    HOOKS_ADDED = "hooks.bulk_added"
    HOOKS_ENABLED = "hooks.bulk_enabled"
    HOOKS_DISABLED = "hooks.bulk_disabled"
    HOOKS_URL_REPLACED = "hooks.bulk_url_replaced"
    HOOKS_POLICY_CHANGED = "hooks.bulk_policy_changed"
    HOOKS_CONDITIONS_CHANGED = "hooks.bulk_conditions_changed"
    HOOKS_MOVED = "hooks.bulk_moved"
    HOOKS_COPIED = "hooks.bulk_copied"
    HOOKS_CLEARED = "hooks.bulk_cleared"
    HOOKS_UNDONE = "hooks.bulk_undone"
    DELIVERY_SENT_AGAIN = "delivery.sent_again"
    DELIVERY_CANCELLED = "delivery.cancelled"
    TEST_EVENT_SENT = "test_event.sent"
    TEST_REQUEST_SENT = "test_request.sent"
    SECRET_REVEALED = "secret.revealed"  # noqa: S105  # no secret
    EXPORT_MADE = "export.made"
    RECEIVER_ADDED = "receiver.added"
    RECEIVER_CHANGED = "receiver.changed"
    RECEIVER_REMOVED = "receiver.removed"
    RECEIVER_USERS_CHANGED = "receiver.users_changed"
    RECEIVER_USERS_FETCHED = "receiver.users_fetched"
    USER_ADDED = "user.added"
    USER_INVITED = "user.invited"
    USER_CHANGED = "user.changed"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_REMOVED = "user.removed"
    PASSWORD_RESET = "user.password_reset"  # noqa: S105  # no secret
    PASSWORD_CHANGED = "user.password_changed"  # noqa: S105  # no secret
    SECOND_FACTOR_CHANGED = "user.second_factor_changed"
    SIGNED_IN = "user.signed_in"
    SIGN_IN_FAILED = "user.sign_in_failed"
    SIGNED_OUT = "user.signed_out"
    SESSION_ENDED = "session.ended"
    API_TOKEN_ADDED = "api_token.added"  # noqa: S105  # no secret
    API_TOKEN_CHANGED = "api_token.changed"  # noqa: S105  # no secret
    API_TOKEN_REVOKED = "api_token.revoked"  # noqa: S105  # no secret
    APP_ADDED = "app.added"
    APP_CHANGED = "app.changed"
    APP_SECRET_CHANGED = "app.secret_changed"  # noqa: S105  # no secret
    APP_REMOVED = "app.removed"
    APP_ALLOWED = "app.allowed"
    APP_ACCESS_REVOKED = "app.access_revoked"
    KEYS_ROTATED = "keys.rotated"
    DATA_PURGED = "data.purged"
    NUMBER_ERASED = "number.erased"

    @property
    def label(self) -> str:
        """The action in plain English."""
        return _LABELS[self]


_LABELS = {
    Action.PBX_ADDED: "PBX added",
    Action.PBX_RENAMED: "PBX renamed",
    Action.PBX_FORMAT_CHANGED: "Report format changed",
    Action.PBX_QUOTAS_CHANGED: "Quotas changed",
    Action.PBX_DATA_PROTECTION_CHANGED: "Data protection changed",
    Action.PBX_NUMBER_PLAN_CHANGED: "Number plan changed",
    Action.PBX_REMOVED: "PBX removed",
    Action.TOKEN_ADDED: "Ingest token created",
    Action.TOKEN_REVOKED: "Ingest token revoked",
    Action.CONNECTOR_ADDED: "Connector set up",
    Action.CONNECTOR_CHANGED: "Connector changed",
    Action.CONNECTOR_ENABLED: "Connector enabled",
    Action.CONNECTOR_DISABLED: "Connector disabled",
    Action.CONNECTOR_REMOVED: "Connector removed",
    Action.EXTENSION_ADDED: "Extension added",
    Action.EXTENSION_RENAMED: "Extension renamed",
    Action.EXTENSION_REMOVED: "Extension removed",
    Action.GROUP_ADDED: "Group added",
    Action.GROUP_CHANGED: "Group changed",
    Action.GROUP_REMOVED: "Group removed",
    Action.SUGGESTION_ACCEPTED: "Suggested extension added",
    Action.SUGGESTION_DISMISSED: "Suggestions dismissed",
    Action.HOOK_CREATED: "Request created",
    Action.HOOK_CHANGED: "Request changed",
    Action.HOOK_ENABLED: "Request enabled",
    Action.HOOK_DISABLED: "Request disabled",
    Action.HOOK_CLEARED: "Request cleared",
    Action.HELD_CANCELLED: "Held deliveries cancelled",
    Action.REMOVAL_UNDONE: "Removal undone",
    Action.HOOK_SUSPENDED: "Request suspended",
    Action.HOOK_RESUMED: "Request resumed",
    Action.HOOK_SIGNING_CHANGED: "Signing secret changed",
    Action.HOOKS_ADDED: "Requests created for many extensions",
    Action.HOOKS_ENABLED: "Requests enabled",
    Action.HOOKS_DISABLED: "Requests disabled",
    Action.HOOKS_URL_REPLACED: "Part of URLs replaced",
    Action.HOOKS_POLICY_CHANGED: "Delivery policy changed",
    Action.HOOKS_CONDITIONS_CHANGED: "Conditions changed",
    Action.HOOKS_MOVED: "Requests moved to a receiver",
    Action.HOOKS_COPIED: "Requests copied",
    Action.HOOKS_CLEARED: "Requests cleared",
    Action.HOOKS_UNDONE: "Change of requests undone",
    Action.DELIVERY_SENT_AGAIN: "Delivery sent again",
    Action.DELIVERY_CANCELLED: "Delivery cancelled",
    Action.TEST_EVENT_SENT: "Test event sent",
    Action.TEST_REQUEST_SENT: "Test request sent",
    Action.SECRET_REVEALED: "Secret shown",
    Action.EXPORT_MADE: "Data exported",
    Action.RECEIVER_ADDED: "Receiver added",
    Action.RECEIVER_CHANGED: "Receiver changed",
    Action.RECEIVER_REMOVED: "Receiver removed",
    Action.RECEIVER_USERS_CHANGED: "Receiver's users changed",
    Action.RECEIVER_USERS_FETCHED: "Receiver's users fetched",
    Action.USER_ADDED: "User added",
    Action.USER_INVITED: "User invited",
    Action.USER_CHANGED: "User changed",
    Action.USER_DISABLED: "User disabled",
    Action.USER_ENABLED: "User enabled",
    Action.USER_REMOVED: "User removed",
    Action.PASSWORD_RESET: "Password reset",
    Action.PASSWORD_CHANGED: "Password changed",
    Action.SECOND_FACTOR_CHANGED: "Second factor changed",
    Action.SIGNED_IN: "Signed in",
    Action.SIGN_IN_FAILED: "Sign-in failed",
    Action.SIGNED_OUT: "Signed out",
    Action.SESSION_ENDED: "Session ended",
    Action.API_TOKEN_ADDED: "API token created",
    Action.API_TOKEN_CHANGED: "API token changed",
    Action.API_TOKEN_REVOKED: "API token revoked",
    Action.APP_ADDED: "App added",
    Action.APP_CHANGED: "App changed",
    Action.APP_SECRET_CHANGED: "App's secret changed",
    Action.APP_REMOVED: "App removed",
    Action.APP_ALLOWED: "App allowed",
    Action.APP_ACCESS_REVOKED: "App's access revoked",
    Action.KEYS_ROTATED: "Encryption keys rotated",
    Action.DATA_PURGED: "Old data removed",
    Action.NUMBER_ERASED: "Number erased",
}


def label_of(action: str) -> str:
    """Return the stored action in plain English; itself if this version does not know it."""
    return Action(action).label if action in list(Action) else action


class ObjectKind(StrEnum):
    """What an action is about."""

    PBX = "pbx"
    TOKEN = "token"  # noqa: S105  # no secret
    CONNECTOR = "connector"
    EXTENSION = "extension"
    GROUP = "group"
    HOOK = "hook"
    RECEIVER = "receiver"
    #: Hooks that were changed at once.
    HOOKS = "hooks"
    DELIVERY = "delivery"
    #: All deliveries that match a filter.
    DELIVERIES = "deliveries"
    USER = "user"
    API_TOKEN = "api_token"  # noqa: S105  # no secret
    APP = "app"
    HISTORY = "history"
    INSTALLATION = "installation"
