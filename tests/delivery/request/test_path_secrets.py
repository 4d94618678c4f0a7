"""Secrets in the path of a URL are found; words, numbers and dates are not taken for them."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.delivery.request.masking import find_secrets, mask_address

GUID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
HEX = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T00000000/B00000000/[ABCDEFGHIJKLMNOPQRSTUVWX]",
        "https://hooks.slack.com/workflows/T0/A0/123456/[abcdefgh]",
        "https://chat.example/hooks/[abcdefghijklmnopqrstuvwxyz]",
        "https://chat.example/hooks/[9p7eqkk8fbbb5f1yx3ugimnhiw]/?x=1",
        "https://desk.example/api/v1/cti/[short]",
        "https://desk.example/api/v1/cti/[bn6Wd0kLq]/in",
        "https://api.telegram.org/bot123456:[abcdef]/sendMessage?chat_id=1",
        "https://api.telegram.org/[bot123456:AbC-DEf1234ghIkl-zyx57W2v1u123ew11]/sendMessage",
        "https://b24-x.bitrix24.com/rest/1/[abcdefghijklmnop]/crm.lead.add.json",
        "https://portal.example/rest/17/[abcdef0123456789]/crm.lead.add.json",
        "https://discord.com/api/webhooks/123456789012345678/[abc]",
        "https://discord.com/api/v10/webhooks/123456789012345678/[AbC-dEf_GhI]/slack",
        f"https://x.webhook.office.com/webhookb2/[{GUID}@{GUID}]/IncomingWebhook/[{HEX}]/[{GUID}]",
        "https://hooks.zapier.com/hooks/catch/123456/[abc12de]/",
        f"https://n8n.example/webhook/[{GUID}]",
        "https://hook.eu1.make.com/[ab1cd2ef3gh4ij5kl6mn7op8qr9st0uv]",
        f"/sign-in/[{HEX}]?next=1",
        f"https://crm.example/{{CallID}}/[{HEX}]{{Extension}}/x",
    ],
)
def test_secrets_are_masked(url: str) -> None:
    """The secret, in brackets here, is masked, and nothing else."""
    plain = url.replace("[", "").replace("]", "")
    secrets = [part.partition("]")[0] for part in url.split("[")[1:]]
    masked = url
    for secret in secrets:
        masked = masked.replace(f"[{secret}]", "••••")
    assert mask_address(plain) == masked
    assert list(find_secrets(plain)) == [one for one in secrets if len(one) >= 6]


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example/v2-call-events-2024-integration/HandleIncomingCallV2/{CallID}?x=1",
        "https://crm.example/hooks/incoming-call/2024-11-29T10:00:00Z/20241129T100000Z",
        "https://crm.example/hooks/catch/notifications-of-the-sales-department",
        "https://crm.example/extensions/0003*210/+40721000001/00000000000000000000000000000000",
        "https://crm.example/rest/1/users/list",
        "https://crm.example/rest/1/crmleads/",
        "https://crm.example/api/webhooks/incoming",
        "https://crm.example/J%C3%BCrgen%20M%C3%BCller-K%C3%B6nig-Stra%C3%9Fe/x",
        "https://crm.example/telefonanlagenbenachrichtigungsdienst/HTTPServerJSONReceiver",
        "https://crm-2a-eu-west-1b.example/x86_64-linux-gnu/app-1.2.3",
        f"https://{HEX}.example/calls",
        "https://crm.example",
        "http://[2001:db8::1]:8080/a",
        "https://crm.example/{CallID}/{EventID}-{DeliveryID}",
        "https://hooks.slack.com/services/T0/B0/{CallID}",
        "",
        "not a url",
    ],
)
def test_ordinary_paths_stay(url: str) -> None:
    """Words, extension numbers, dates, versions, hosts and placeholders are shown."""
    assert mask_address(url) == url
    assert list(find_secrets(url)) == []


@given(
    st.text(string.ascii_letters + string.digits + "-_", min_size=40, max_size=80),
    st.sampled_from(["https://a.example/{}", "https://a.example/x/{}/y?z=1", "/{}"]),
)
def test_masking_never_breaks_a_url(secret: str, form: str) -> None:
    """Whatever the segment, the rest stays, and masking again changes nothing."""
    masked = mask_address(form.format(secret))
    assert masked in {form.format(secret), form.format("••••")}
    assert mask_address(masked) == masked
