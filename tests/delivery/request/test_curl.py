"""The curl command of an attempt makes the same request, whatever is in it."""

import subprocess

import pytest

from callevents.db.models import Attempt
from callevents.delivery.request.curl import as_curl
from callevents.enums import Method
from callevents.security.masking import MASK
from tests.support.receiver import Receiver


def attempt(url: str, method: Method = Method.GET, body: str = "", **headers: str) -> Attempt:
    """Return an attempt that made this request."""
    named = [[name.replace("_", "-"), value] for name, value in headers.items()]
    return Attempt(method=method, url=url, request_headers=named, request_body=body)


def run(command: str, **environment: str) -> None:
    """Run the command in a shell, without the user's settings."""
    subprocess.run(
        ["sh", "-c", command.replace("curl ", "curl --disable --silent ", 1)],
        env={"PATH": "/usr/bin:/bin", **environment},
        check=True,
        capture_output=True,
    )


NASTY = 'it\'s $HOME `id` \\ "quoted" !'


@pytest.mark.parametrize(
    ("query", "headers", "body"),
    [
        ("a=1&b=%20[x]{1,2}", {}, ""),
        ("x='%3B", {"X_Note": NASTY, "X_Empty": ""}, ""),
        ("", {"Content_Type": "application/json"}, f'{{"a": "@/etc/passwd {NASTY}\nsecond"}}'),
        ("", {}, "plain"),
    ],
)
def test_same_request(receiver: Receiver, query: str, headers: dict[str, str], body: str) -> None:
    """Method, path, query, headers and body arrive as they were."""
    method = Method.POST if body else Method.GET
    run(as_curl(attempt(f"{receiver.url}/p/../pop?{query}", method, body, **headers)))
    [arrival] = receiver.wait_for(1)
    assert (arrival.method, arrival.target) == (method, f"/p/../pop?{query}")
    assert arrival.body == body
    for name, value in headers.items():
        assert arrival.headers[name.replace("_", "-")] == value
    if not headers:
        assert "Content-Type" not in arrival.headers


def test_secrets_are_variables(receiver: Receiver) -> None:
    """A masked secret is a variable's name in the command, and its value in the request."""
    command = as_curl(attempt(receiver.url + "/", Authorization=f"Bearer {MASK}", X_Api_Key=MASK))
    assert MASK not in command
    run(command, AUTHORIZATION="s e'cret", X_API_KEY="k$y")
    [arrival] = receiver.wait_for(1)
    assert arrival.headers["Authorization"] == "Bearer s e'cret"
    assert arrival.headers["X-Api-Key"] == "k$y"


def test_secrets_of_the_url_are_variables(receiver: Receiver) -> None:
    """A parameter that is masked in the URL is a variable too, and the others stay around it."""
    url = f"{receiver.url}/pop?x=it's&token={MASK}&y=$HOME;api.key={MASK}"
    command = as_curl(attempt(url))
    assert MASK not in command
    run(command, TOKEN="%26'1", API_KEY="k$y")
    [arrival] = receiver.wait_for(1)
    assert arrival.target == "/pop?x=it's&token=%26'1&y=$HOME;api.key=k$y"


def test_secrets_of_the_path_are_variables(receiver: Receiver) -> None:
    """Each masked part of the path has a variable of its own."""
    command = as_curl(attempt(f"{receiver.url}/hooks/{MASK}/to/{MASK}?x=1&token={MASK}"))
    assert MASK not in command
    run(command, VALUE="a'1", VALUE_2="b", TOKEN="c")
    [arrival] = receiver.wait_for(1)
    assert arrival.target == "/hooks/a'1/to/b?x=1&token=c"


def test_masks_that_are_none(receiver: Receiver) -> None:
    """A caller name that equals the mask does not break the command."""
    command = as_curl(attempt(f"{receiver.url}/{MASK}/x?token=a{MASK}&{MASK}"))
    assert MASK not in command
    run(command, VALUE="Ana", TOKEN="k$y")
    [arrival] = receiver.wait_for(1)
    assert arrival.target == "/Ana/x?token=ak$y&Ana"


def test_what_curl_finds_out_itself() -> None:
    """Length and host are left to curl, so that the body can be changed by hand."""
    command = as_curl(
        attempt("http://a/", Method.POST, "x", Content_Length="1", Host="a", Connection="close")
    )
    assert command.count("--header") == 1
