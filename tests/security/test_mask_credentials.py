"""Secrets of apps and tokens in log lines and errors are masked; the rest can still be read."""

import json
import logging
from pathlib import Path

import pytest
import structlog

from callevents import logs
from callevents.config.settings import Settings
from callevents.security.masking import mask_credentials
from tests.support.log_capture import capture_log

SECRET = "3f0c9b7e55d1a24c"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"GET /uapi/x?accessRequestToken={SECRET}&count=1", "accessRequestToken=••••&count=1"),
        (f"/x?count=1&accessRequestToken=Bearer%20{SECRET}", "accessRequestToken=Bearer%20••••"),
        (f"/x?ACCESSREQUESTTOKEN=bearer+{SECRET}", "ACCESSREQUESTTOKEN=bearer+••••"),
        (f"/x?accessRequestToken=Bearer {SECRET} HTTP/1.1", "=Bearer •••• HTTP/1.1"),
        (f"/x?next=%2Fx%3FaccessRequestToken%3D{SECRET}", "accessRequestToken%3D••••"),
        (f"https://crm.example.com/back?code={SECRET}&state=1", "?code=••••&state=1"),
        (f"a=1&code={SECRET}'", "a=1&code=••••'"),
        (f"client_id=x&client_secret={SECRET}&a=1", "client_id=x&client_secret=••••&a=1"),
        (f'{{"client_secret": "{SECRET}", "a": 1}}', '{"client_secret": "••••", "a": 1}'),
        (f"{{'refresh_token': '{SECRET}'}}", "{'refresh_token': '••••'}"),
        (f"access_token={SECRET};code_verifier={SECRET}", "access_token=••••;code_verifier=••••"),
        (f"Authorization: Bearer {SECRET}", "Authorization: Bearer ••••"),
        ("Authorization: basic YWJjZGVmZ2hpOmprbA==", "Authorization: basic ••••"),
        (f"no token cea_{SECRET}_-x at all", "no token cea_•••• at all"),
    ],
)
def test_secrets(text: str, masked: str) -> None:
    """The value is masked, and what is around it is not."""
    assert masked in mask_credentials(text)
    assert SECRET not in mask_credentials(text)


@pytest.mark.parametrize(
    "text",
    [
        "Use HTTP Basic authentication.",
        "the bearer of this",
        "exit code=3",
        "status_code=404",
        "/oauth/token.php",
        "area code 0203",
    ],
)
def test_other_texts(text: str) -> None:
    """They stay as they are."""
    assert mask_credentials(text) == text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_log(tmp_path: Path, log_format: str) -> None:
    """Each field, and each exception, is masked, in our lines and in those of libraries."""
    settings = Settings(data_dir=tmp_path, log_format=log_format)
    logs.configure(settings)
    url = f"/uapi/x?accessRequestToken={SECRET}"
    with capture_log(logging.DEBUG) as logged:
        structlog.get_logger("callevents").info(f"asked {url}", url=url, number=1)
        logging.getLogger("library").warning("failed at %s", url)
        try:
            raise ValueError(url)
        except ValueError:
            structlog.get_logger("callevents").exception("failed")
            logging.getLogger("library").exception("failed too")
    assert SECRET not in logged.text
    # JSON escapes the mask.
    assert logged.text.replace("\\u2022", "•").count("accessRequestToken=••••") >= 5
    if log_format == "json":
        assert [json.loads(line)["event"] for line in logged.lines][2:] == ["failed", "failed too"]
    logs.configure(Settings(data_dir=tmp_path))
