"""What each route needs, and what each user gets: the table of tests/web/test_access.py."""

from callevents.api.v1.operations import REGISTRY

#: What a route needs, in words; see MAY.
ROUTES = {
    "account.change_password": "account",
    "account.show": "account",
    "account.show_password": "account",
    "account.sign_out": "account",
    "activity.index": "manage-anything",
    "api_access.index": "account",
    "api_access.revoke": "own",
    "api_tokens.add": "account",
    "api_tokens.revoke": "own",
    "api_tokens.revoke_other": "administer",
    "apps.add": "administer",
    "apps.edit": "administer",
    "apps.remove": "administer",
    "apps.renew_secret": "administer",
    "authorization.decide": "account",
    "calls.show": "extension",
    "connect.create_token": "manage",
    "connect.list_events": "pbx",
    "connect.set_format": "manage",
    "connect.show": "pbx",
    "connectors.edit": "manage",
    "connectors.remove": "manage",
    "connectors.request_list": "edit-extensions",
    "connectors.show": "pbx",
    "data_protection.edit": "manage",
    "data_protection.show": "pbx",
    "deliveries.find": "part",
    "deliveries.find_of_all": "anything",
    "deliveries.index": "part",
    "deliveries.index_of_all": "anything",
    "deliveries.show": "extension",
    "delivery_actions.cancel": "edit",
    "delivery_actions.cancel_all": "edit-part",
    "delivery_actions.cancel_all_of_all": "edit-anything",
    "delivery_actions.recover": "edit",
    "delivery_actions.resend": "edit",
    "delivery_actions.resend_all": "edit-part",
    "delivery_actions.resend_all_of_all": "edit-anything",
    "erasure.erase": "manage",
    "extensions.add": "edit-extensions",
    "extensions.delete": "edit-extension",
    "extensions.index": "part",
    "extensions.rename": "edit-extension",
    "hooks.add": "edit",
    "hooks.cancel_held": "edit",
    "hooks.change": "change",
    "hooks.clear": "edit",
    "hooks.index": "extension",
    "hooks.preview": "edit",
    "hooks.set_active": "edit",
    "hooks.test": "edit",
    "onboarding.show": "account",
    "overview.show": "any-pbx",
    "passkeys.begin_adding": "account",
    "passkeys.finish_adding": "account",
    "passkeys.remove": "own",
    "passkeys.show_add": "account",
    "pbxs.add": "administer",
    "pbxs.index": "anything",
    "pbxs.rename": "manage",
    "pbxs.show": "pbx",
    "quotas.edit": "administer-pbx",
    "quotas.show": "pbx",
    "recent_reports.show": "pbx",
    "redirects.redirect_moved": "part",
    "removal.confirm": "administer-pbx",
    "removals.undo": "edit-part",
    "second_factor.renew_codes": "account",
    "second_factor.set_up_app": "account",
    "second_factor.show": "account",
    "second_factor.show_app": "account",
    "second_factor.turn_off": "account",
    "sessions.end": "account",
    "sessions.end_others": "account",
    "suggestions.add": "edit-extensions",
    "suggestions.dismiss": "edit-extensions",
    "suspension.resume": "suspended",
    "test_event.send": "edit-part",
    "test_event.show": "edit",
    "tokens.make": "manage",
    "tokens.revoke": "manage",
    "users.disable": "administer",
    "users.edit": "administer",
    "users.enable": "administer",
    "users.end_sessions": "administer",
    "users.index": "administer",
    "users.invite": "administer",
    "users.remove": "administer",
    "users.reset_password": "administer",
    "users.show": "administer",
}
#: Without signing in.
PUBLIC = {
    "account.choose_theme",
    "account.do_sign_in",
    "account.show_sign_in",
    "api_docs.index",
    "api_docs.show",
    # Programs sign in with a token. tests/api/v1 has their rights.
    *(f"api_v1.{operation.id}" for operation in REGISTRY.operations),
    "api_v1.show_openapi",
    "authorization.show",
    "authorization.show_again",
    "health.healthz",
    "health.readyz",
    "ingest.receive",
    "metrics.show",
    "oauth_token.issue",
    "sign_in_code.enter",
    "sign_in_code.show",
    "sign_in_passkey.begin",
    "sign_in_passkey.finish",
    "single_sign_on.begin",
    "single_sign_on.finish",
    "static",
    "uapi.create_event",
    "uapi.list_events",
    "uapi.remove_events",
    "uapi.update_event",
    "welcome.show",
    "welcome.use",
}

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
#: The places that a route is tried at: extension 101 of the first PBX, its extension 102, all its
#: extensions, and an extension of another PBX. A route of a PBX has only the third and the last.
OWN, OTHER, ALL, FOREIGN = "own", "other", "all", "foreign"
PLACES = (OWN, OTHER, ALL, FOREIGN)


def _each(own: str, other: str, all_: str, foreign: str = UNKNOWN) -> dict[str, str]:
    return {OWN: own, OTHER: other, ALL: all_, FOREIGN: foreign}


NOTHING = _each(UNKNOWN, UNKNOWN, UNKNOWN)
EVERYWHERE = _each(OK, OK, OK, OK)
HERE = _each(OK, OK, OK)
SEEN = _each(REFUSED, REFUSED, REFUSED)
SEEN_EVERYWHERE = _each(REFUSED, REFUSED, REFUSED, REFUSED)
OWN_ONLY = _each(OK, UNKNOWN, UNKNOWN)

NEEDS = (
    "account",
    "anything",
    "any-pbx",
    "part",
    "pbx",
    "extension",
    "edit",
    "edit-part",
    "edit-anything",
    "edit-extension",
    "edit-extensions",
    "manage",
    "administer",
    "administer-pbx",
    "manage-anything",
)

#: What each user gets, by what a route needs.
MAY: dict[str, dict[str, dict[str, str]]] = {
    "admin": dict.fromkeys(NEEDS, EVERYWHERE),
    "viewer": {
        **dict.fromkeys(("account", "anything", "any-pbx", "part", "pbx", "extension"), EVERYWHERE),
        **dict.fromkeys(NEEDS[6:], SEEN_EVERYWHERE),
    },
    "admin-here": {
        **dict.fromkeys(("account", "anything", "any-pbx", "edit-anything"), EVERYWHERE),
        "manage-anything": EVERYWHERE,
        **dict.fromkeys(("part", "pbx", "extension", "edit", "edit-part", "edit-extension"), HERE),
        **dict.fromkeys(("edit-extensions", "manage"), HERE),
        "administer": SEEN_EVERYWHERE,
        "administer-pbx": SEEN,
    },
    "operator-here": {
        **dict.fromkeys(("account", "anything", "any-pbx", "edit-anything"), EVERYWHERE),
        **dict.fromkeys(("part", "pbx", "extension", "edit", "edit-part", "edit-extension"), HERE),
        **dict.fromkeys(("edit-extensions",), HERE),
        **dict.fromkeys(("manage", "administer-pbx"), SEEN),
        **dict.fromkeys(("administer", "manage-anything"), SEEN_EVERYWHERE),
    },
    "viewer-here": {
        **dict.fromkeys(("account", "anything", "any-pbx"), EVERYWHERE),
        **dict.fromkeys(("part", "pbx", "extension"), HERE),
        **dict.fromkeys(("edit", "edit-part", "edit-extension", "edit-extensions"), SEEN),
        **dict.fromkeys(("manage", "administer-pbx"), SEEN),
        **dict.fromkeys(("edit-anything", "administer", "manage-anything"), SEEN_EVERYWHERE),
    },
    "owner": {
        **dict.fromkeys(("account", "anything", "edit-anything"), EVERYWHERE),
        **dict.fromkeys(("any-pbx", "manage-anything"), SEEN_EVERYWHERE),
        "part": HERE,
        "edit-part": HERE,
        "extension": OWN_ONLY,
        "edit": OWN_ONLY,
        "edit-extension": _each(REFUSED, UNKNOWN, UNKNOWN),
        **dict.fromkeys(("pbx", "edit-extensions", "manage", "administer-pbx"), NOTHING),
        "administer": SEEN_EVERYWHERE,
    },
    "nobody": {
        "account": EVERYWHERE,
        **dict.fromkeys(("anything", "any-pbx", "edit-anything", "administer"), SEEN_EVERYWHERE),
        "manage-anything": SEEN_EVERYWHERE,
        **dict.fromkeys(("part", "pbx", "extension", "edit", "edit-part"), NOTHING),
        **dict.fromkeys(("edit-extension", "edit-extensions", "manage"), NOTHING),
        "administer-pbx": NOTHING,
    },
}
