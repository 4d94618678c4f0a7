"""The ingest tokens of a PBX by the management API."""

import pytest
from flask.testing import FlaskClient

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Extension, Pbx
from callevents.enums import Role
from callevents.extensions import app_state
from callevents.ingest.token_notes import TokenNotes
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.audit.conftest import entries

PATH = "/pbxs/head-office/ingest-tokens"


def ids(api: Api, path: str = PATH, **query: object) -> list[str]:
    """Return the IDs on one page of the list."""
    return [one["id"] for one in api.get(path, query_string=query).get_json()["data"]]


def report(client: FlaskClient, token: str) -> int:
    """Report an event with the token; return the status."""
    path = f"/ingest/head-office?event=dial-in&ext=101&token={token}"
    return client.get(path).status_code


def test_a_token_replaces_another(admin: Api, client: FlaskClient, token: str, pbx: Pbx) -> None:
    """A new one is shown once and works; the old one is revoked and works no more."""
    [old_id] = ids(admin)
    answer = admin.post(PATH)
    assert answer.status_code == 201
    created = answer.get_json()
    new = created.pop("token")
    assert answer.headers["Location"] == f"/api/v1{PATH}/{created['id']}"
    assert created["begins_with"] == new[:9]
    got = admin.get(f"{PATH}/{created['id']}")
    assert got.get_json() == created
    assert ids(admin) == [created["id"], old_id]
    assert {report(client, one) for one in (token, new)} == {202}
    revoked = admin.delete(f"{PATH}/{old_id}")
    assert (revoked.status_code, revoked.data) == (204, b"")
    assert (report(client, token), report(client, new)) == (401, 202)
    assert ids(admin) == [created["id"]]
    check_problem(admin.delete(f"{PATH}/{old_id}"), ProblemType.NOT_FOUND)
    recorded = [(one.action, one.object_id) for one in entries(object_kind="token")][-2:]
    assert recorded == [("token.added", created["id"]), ("token.revoked", old_id)]
    check_actor(last_entry(), admin)


def test_a_third_token(admin: Api, pbx: Pbx) -> None:
    """It is a conflict, and the sentence says what to do."""
    assert admin.post(PATH, {}).status_code == 201
    problem = check_problem(admin.post(PATH), ProblemType.CONFLICT)
    assert "Revoke the one no longer used" in problem["detail"]
    assert len(ids(admin)) == 2


def test_pages_of_one_token(admin: Api, pbx: Pbx) -> None:
    """The IDs stay while the PBX changes, so no page is lost between two requests."""
    admin.post(PATH)
    newest, oldest = ids(admin)
    first = admin.get(f"{PATH}?limit=1").get_json()
    assert [one["id"] for one in first["data"]] == [newest]
    admin.patch("/pbxs/head-office", {"format": "wazo"})
    second = admin.get(f"{PATH}?limit=1&cursor={first['next_cursor']}").get_json()
    assert [one["id"] for one in second["data"]] == [oldest]
    assert second["next_cursor"] is None
    assert admin.get(f"{PATH}/{oldest}").status_code == 200


def test_the_last_use(admin: Api, client: FlaskClient, token: str, pbx: Pbx) -> None:
    """It is shown with its address; a version that was read before is an old one."""
    [token_id] = ids(admin)
    unused = admin.get(f"{PATH}/{token_id}")
    assert unused.get_json()["last_used_at"] is None
    assert unused.get_json()["last_used_address"] == ""
    assert report(client, token) == 202
    app_state(admin.app).get(TokenNotes).flush()
    used = admin.get(f"{PATH}/{token_id}").get_json()
    assert used["last_used_address"] == "127.0.0.1"
    assert used["last_used_at"].endswith("Z")
    headers = {"If-Match": unused.headers["ETag"]}
    answer = admin.delete(f"{PATH}/{token_id}", headers=headers)
    check_problem(answer, ProblemType.PRECONDITION_FAILED)
    assert ids(admin) == [token_id]


@pytest.mark.parametrize(
    "token_id", ["x", "%00", "x" * 5000, "01a20701-a07b-7511-987d-0828034a71d0"]
)
def test_what_is_no_token(admin: Api, pbx: Pbx, token_id: str) -> None:
    """Any other text is the ID of no token."""
    check_problem(admin.get(f"{PATH}/{token_id}"), ProblemType.NOT_FOUND)
    check_problem(admin.delete(f"{PATH}/{token_id}"), ProblemType.NOT_FOUND)


def test_a_token_of_another_pbx(admin: Api, pbx: Pbx, other_pbx: Pbx) -> None:
    """It is found at its own PBX only."""
    [other_id] = ids(admin, "/pbxs/branch/ingest-tokens")
    check_problem(admin.get(f"{PATH}/{other_id}"), ProblemType.NOT_FOUND)
    check_problem(admin.delete(f"{PATH}/{other_id}"), ProblemType.NOT_FOUND)
    assert ids(admin, "/pbxs/branch/ingest-tokens") == [other_id]


def test_rights(api: MakeApi, pbx: Pbx, other_pbx: Pbx, extension: Extension) -> None:
    """All who see the whole PBX see its tokens; its admins change them."""
    admins = [api(Role.ADMIN, pbx=pbx), api(limited_to=pbx)]
    [token_id] = ids(admins[0])
    for one in (api(Role.OPERATOR, pbx=pbx), api(Role.VIEWER)):
        assert ids(one) == [token_id]
        assert one.get(f"{PATH}/{token_id}").status_code == 200
        check_problem(one.post(PATH), ProblemType.FORBIDDEN)
        check_problem(one.delete(f"{PATH}/{token_id}"), ProblemType.FORBIDDEN)
    owner = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    for one, path in ((owner, PATH), *((one, "/pbxs/branch/ingest-tokens") for one in admins)):
        for answer in (one.get(path), one.post(path), one.delete(f"{path}/{token_id}")):
            check_problem(answer, ProblemType.NOT_FOUND)
    for one in admins:
        created = one.post(PATH)
        assert created.status_code == 201
        assert one.delete(f"{PATH}/{created.get_json()['id']}").status_code == 204


def test_scopes(api: MakeApi, pbx: Pbx) -> None:
    """Reading and changing need their scopes."""
    reader, writer = api(scopes=["pbxs:read"]), api(scopes=["pbxs:write"])
    [token_id] = ids(reader)
    for path in (PATH, f"{PATH}/{token_id}"):
        check_problem(writer.get(path), ProblemType.INSUFFICIENT_SCOPE)
    check_problem(reader.post(PATH), ProblemType.INSUFFICIENT_SCOPE)
    check_problem(reader.delete(f"{PATH}/{token_id}"), ProblemType.INSUFFICIENT_SCOPE)
    assert writer.post(PATH).status_code == 201
