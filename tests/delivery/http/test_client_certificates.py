"""Mutual TLS: a real server that demands a certificate, and connections that are not mixed up."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from callevents.delivery.http.client import HttpClient, Response
from callevents.delivery.http.error_messages import (
    CERTIFICATE_DEMANDED,
    CERTIFICATE_UNUSABLE,
    CLOSED_EARLY,
)
from callevents.delivery.request.build import RequestTemplate, build_request
from callevents.enums import Method
from callevents.security.client_certificate import ClientCertificate
from tests.delivery.conftest import MakeTransport, Serve
from tests.support.raw_server import Connection, RawServer

#: TLS 1.2 has no word for it. With 1.3, the server may close before its alert is read.
VAGUE = {CLOSED_EARLY, "TLS handshake failed: ssl/tls alert handshake failure."}
#: What the server says of the client, as the body of its response.
NOBODY = "nobody"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The authority of the server, and of the clients that it knows."""
    return trustme.CA()


@pytest.fixture
def server(serve: Serve, authority: trustme.CA, request: pytest.FixtureRequest) -> RawServer:
    """A server that demands a certificate, and responds with the name in it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = getattr(request, "param", ssl.TLSVersion.TLSv1_3)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    found: RawServer = serve(names_the_client, tls=context)
    return found


@pytest.fixture
def http_client(make_transport: MakeTransport, authority: trustme.CA, tmp_path: Path) -> HttpClient:
    """A client that trusts the authority."""
    path = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(path))
    return make_transport(ca_bundle=path)


def names_the_client(connection: Connection) -> None:
    """Respond to each request with the common name in the client's certificate."""
    while connection.read_request():
        certificate = connection._sock.getpeercert() or {}
        names = [
            value for part in certificate["subject"] for name, value in part if name == "commonName"
        ]
        body = (names or [NOBODY])[0].encode()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def issue(authority: trustme.CA, name: str) -> ClientCertificate:
    """Return a client's certificate with its key."""
    issued = authority.issue_cert(f"{name}@example.com", common_name=name)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return ClientCertificate(chain.decode(), issued.private_key_pem.bytes().decode())


def send(http_client: HttpClient, url: str, certificate: ClientCertificate | None) -> Response:
    """Send a GET with this certificate."""
    built = build_request(RequestTemplate(Method.GET, url), [("CallID", "c1")])
    return http_client.send(replace(built, client_certificate=certificate))


@pytest.mark.parametrize(
    "server", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], indirect=True, ids=["1.2", "1.3"]
)
def test_certificate_is_presented(
    http_client: HttpClient, server: RawServer, authority: trustme.CA
) -> None:
    """The server gets the certificate, and one connection serves many requests."""
    certificate = issue(authority, "call-events")
    for _ in range(3):
        response = send(http_client, server.url, certificate)
        assert (response.error, response.body) == ("", "call-events")
    assert server.accepted == 1


@pytest.mark.parametrize(
    "server", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], indirect=True, ids=["1.2", "1.3"]
)
def test_without_a_certificate(http_client: HttpClient, server: RawServer) -> None:
    """Nothing is sent, and the error says what the receiver wants, as far as it says it."""
    response = send(http_client, server.url, None)
    assert response.error in {CERTIFICATE_DEMANDED, *VAGUE}
    assert server.requests == []


def test_certificate_of_a_stranger(http_client: HttpClient, server: RawServer) -> None:
    """A certificate that the receiver does not know is refused, and the error says so."""
    response = send(http_client, server.url, issue(trustme.CA(), "stranger"))
    refused = "The receiver refused the client certificate: unknown ca."
    assert response.error in {refused, *VAGUE}
    assert server.requests == []


def test_connections_are_not_shared(
    http_client: HttpClient, server: RawServer, authority: trustme.CA
) -> None:
    """Requests with different certificates, or without, never use each other's connections."""
    first, second = issue(authority, "first"), issue(authority, "second")
    for _ in range(2):
        assert send(http_client, server.url, first).body == "first"
        assert send(http_client, server.url, second).body == "second"
        assert send(http_client, server.url, None).error in {CERTIFICATE_DEMANDED, *VAGUE}
    # One for each of the two, and one for each request without.
    assert server.accepted == 4


def test_key_that_does_not_fit(
    http_client: HttpClient, server: RawServer, authority: trustme.CA
) -> None:
    """A key of another certificate ends in an error, and the key is not in it."""
    first, second = issue(authority, "first"), issue(authority, "second")
    response = send(http_client, server.url, ClientCertificate(first.certificate, second.key))
    assert response.error == CERTIFICATE_UNUSABLE
