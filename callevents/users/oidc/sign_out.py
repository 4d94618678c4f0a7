"""Sign-out at the provider."""

from urllib.parse import urlencode

from callevents.config.oidc import OidcProvider
from callevents.users.oidc.discovery import load_metadata
from callevents.users.oidc.errors import ProviderUnavailableError
from callevents.users.oidc.provider_http import one_of_few


def find_end_url(provider: OidcProvider, id_token: str, return_url: str) -> str:
    """Return the URL that ends the user's session at the provider, empty if there is none.

    Raises BusyError while too many wait for a provider.
    """
    try:
        with one_of_few():
            endpoint = load_metadata(provider).end_session_endpoint
    except ProviderUnavailableError:
        return ""
    if not endpoint:
        return ""
    parameters = {"client_id": provider.client_id, "post_logout_redirect_uri": return_url}
    if id_token:
        parameters["id_token_hint"] = id_token
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"
