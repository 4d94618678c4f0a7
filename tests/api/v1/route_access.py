"""What each operation needs, and what each token gets: the table of test_route_access.py."""

from collections.abc import Mapping

#: What an operation needs, in words; see MAY.
ROUTES = {
    "getMe": "anyone",
    "getStatus": "anyone",
    "listEventTypes": "anyone",
    # Lists have only what the owner may see.
    "listPbxs": "anyone",
    "listExtensions": "anyone",
    "listHooks": "anyone",
    "listDeliveries": "anyone",
    "listEvents": "anyone",
    "listCalls": "anyone",
    "listApiTokens": "anyone",
    "createApiToken": "see-named",
    "getApiToken": "administer-hidden",
    "updateApiToken": "administer-hidden",
    "deleteApiToken": "administer-hidden",
    "listApps": "administer",
    "createApp": "administer",
    "getApp": "administer",
    "updateApp": "administer",
    "deleteApp": "administer",
    "createAppSecret": "administer",
    "listUsers": "administer",
    "createUser": "administer",
    "getUser": "administer",
    "updateUser": "administer",
    "deleteUser": "administer",
    "getUserGrants": "administer",
    "setUserGrants": "administer",
    "createInvitation": "administer",
    "createPasswordReset": "administer",
    "exportConfig": "administer",
    "importConfig": "administer",
    "createPbx": "administer",
    "listAuditEntries": "manage-anything",
    "getAuditEntry": "entry",
    "getPbx": "see-pbx",
    "getPbxUsage": "see-pbx",
    "getConnector": "see-pbx",
    "getConnectorState": "see-pbx",
    "listIngestTokens": "see-pbx",
    "getIngestToken": "see-pbx",
    "updatePbx": "manage",
    "deletePbx": "administer-pbx",
    "setConnector": "manage",
    "deleteConnector": "manage",
    "createIngestToken": "manage",
    "deleteIngestToken": "manage",
    "createExtensions": "edit-extensions-named",
    "getExtension": "see",
    "updateExtension": "edit-extension",
    "deleteExtension": "edit-extension",
    "listGroups": "see-pbx",
    "getGroup": "see-pbx",
    "createGroup": "edit-extensions",
    "updateGroup": "edit-extensions",
    "deleteGroup": "edit-extensions",
    "createHook": "edit-named",
    "getHook": "see",
    "getHookUrl": "edit",
    "updateHook": "edit",
    "deleteHook": "edit",
    "resumeHook": "edit",
    "sendHookTest": "edit",
    "recoverHook": "edit",
    "createSigningSecret": "edit",
    "deleteSigningSecret": "edit",
    "listReceivers": "anyone",
    "listRecipes": "anyone",
    "getRecipe": "anyone",
    "createReceiver": "administer",
    "getReceiver": "see",
    "getReceiverState": "see",
    "updateReceiver": "manage-seen",
    "deleteReceiver": "manage-seen",
    "recoverReceiver": "manage-seen",
    "connectExtensions": "edit",
    "disconnectExtensions": "edit",
    "sendReceiverTestRequest": "edit-extension",
    "getReceiverUsers": "see-pbx",
    "setReceiverUsers": "edit-extensions",
    "fetchReceiverUsers": "edit-extensions",
    "changeHooks": "edit-named",
    "undoHookChanges": "edit-hidden",
    "getDelivery": "see",
    "listDeliveryAttempts": "see",
    "getDeliveryAttempt": "see",
    "resendDelivery": "edit",
    "cancelDelivery": "edit",
    "resendDeliveries": "edit-named",
    "cancelDeliveries": "edit-named",
    "getEvent": "see",
    "getCall": "see",
    "sendEvent": "edit-named",
}

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
#: The owners of tokens: with a role for all PBXs, for this PBX, for its extension 101, for another
#: PBX, or without any. The last two are tokens of an admin that are limited to this PBX or another.
WHO = (
    "admin",
    "operator",
    "viewer",
    "admin-here",
    "operator-here",
    "viewer-here",
    "owner",
    "admin-elsewhere",
    "nobody",
    "limited-here",
    "limited-elsewhere",
)


def _row(ok: str, refused: str = "") -> dict[str, str]:
    """Return a row; who is in neither text gets 404, or 400 if the object is named in the body."""
    allowed, seen = ok.split(), refused.split()
    return {who: OK if who in allowed else REFUSED if who in seen else UNKNOWN for who in WHO}


_SEE_PBX = "admin operator viewer admin-here operator-here viewer-here limited-here"
_SEE = f"{_SEE_PBX} owner"
_VIEWERS = "viewer viewer-here"
_OPERATORS = "operator operator-here"
_EDIT_EXTENSIONS = f"admin admin-here limited-here {_OPERATORS}"
_EVERYONE = " ".join(WHO)

#: What each token gets, by what an operation needs. `...-named`: the body names the object.
MAY: Mapping[str, Mapping[str, str]] = {
    "anyone": _row(_EVERYONE),
    "administer": _row("admin", _EVERYONE),
    "administer-hidden": _row("admin"),
    "administer-pbx": _row("admin", _SEE_PBX),
    "manage": _row("admin admin-here limited-here", _SEE_PBX),
    "manage-seen": _row("admin admin-here limited-here", _SEE),
    "manage-anything": _row(
        "admin admin-here admin-elsewhere limited-here limited-elsewhere", _EVERYONE
    ),
    "entry": _row("admin admin-here limited-here", f"{_VIEWERS} {_OPERATORS} owner nobody"),
    "see": _row(_SEE),
    "see-named": _row(_SEE),
    "see-pbx": _row(_SEE_PBX),
    "edit": _row(f"{_EDIT_EXTENSIONS} owner", _VIEWERS),
    "edit-named": _row(f"{_EDIT_EXTENSIONS} owner", _VIEWERS),
    "edit-hidden": _row(f"{_EDIT_EXTENSIONS} owner"),
    "edit-extension": _row(_EDIT_EXTENSIONS, f"{_VIEWERS} owner"),
    "edit-extensions": _row(_EDIT_EXTENSIONS, _VIEWERS),
    "edit-extensions-named": _row(_EDIT_EXTENSIONS, f"{_VIEWERS} owner"),
}
