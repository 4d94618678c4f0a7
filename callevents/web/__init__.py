"""The web pages."""

from flask import Flask

from callevents.security import headers
from callevents.web import (
    access,
    actors,
    errors,
    htmx,
    login,
    redirects,
    template_filters,
    url_converters,
)
from callevents.web.views import (
    account,
    activity,
    api_access,
    api_docs,
    api_tokens,
    apps,
    authorization,
    calls,
    connect,
    connectors,
    data_protection,
    deliveries,
    delivery_actions,
    erasure,
    extension_batches,
    extensions,
    groups,
    hooks,
    number_plan,
    onboarding,
    overview,
    passkeys,
    pbxs,
    quotas,
    receiver_extensions,
    receivers,
    recent_reports,
    removal,
    removals,
    requests,
    second_factor,
    sessions,
    sign_in_code,
    sign_in_passkey,
    single_sign_on,
    suggestions,
    suspension,
    test_event,
    tokens,
    users,
    welcome,
)

PAGES = (
    account,
    sign_in_code,
    sign_in_passkey,
    single_sign_on,
    second_factor,
    passkeys,
    sessions,
    onboarding,
    pbxs,
    tokens,
    quotas,
    receivers,
    receiver_extensions,
    removal,
    connect,
    recent_reports,
    connectors,
    data_protection,
    number_plan,
    test_event,
    erasure,
    extensions,
    extension_batches,
    groups,
    suggestions,
    hooks,
    removals,
    requests,
    deliveries,
    delivery_actions,
    calls,
    overview,
    suspension,
    activity,
    users,
    welcome,
    authorization,
    api_access,
    api_tokens,
    apps,
    api_docs,
)


def init_app(app: Flask) -> None:
    """Register the blueprints of the pages, and what they share."""
    login.init_app(app)
    actors.init_app(app)
    headers.init_app(app)
    htmx.init_app(app)
    errors.init_app(app)
    access.init_app(app)
    template_filters.init_app(app)
    url_converters.init_app(app)
    for pages in PAGES:
        app.register_blueprint(pages.bp)
    app.register_blueprint(redirects.bp)
