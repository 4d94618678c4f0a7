"""Browsers: an admin, a viewer and a stranger, with cookies and the forms' tokens."""

import re
from concurrent.futures import ThreadPoolExecutor

import requests
from requests.adapters import HTTPAdapter

from tests.hostile.product import ADMIN, Product
from tests.support.programs import ROOT

TIMEOUT_SECONDS = 30
#: The largest answer that a stranger can ask for.
_LARGEST = max((ROOT / "static").rglob("*.css"), key=lambda path: path.stat().st_size)
STYLESHEET = f"/{_LARGEST.relative_to(ROOT)}"
_TOKEN = re.compile(r'name="csrf_token"[^>]* value="([^"]+)"')
#: As many as the product's threads, so that each one has done everything once.
AT_ONCE = 16


class Visitor:
    """A browser. `csrf` is the token of its session's forms."""

    def __init__(self, product: Product) -> None:
        self._url = product.url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", HTTPAdapter(pool_maxsize=AT_ONCE))
        self.csrf = ""

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_error: object) -> None:
        self._session.close()

    def ask(
        self,
        method: str,
        path: str,
        fields: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> requests.Response:
        """Make a request as it is, and follow no redirect."""
        return self._session.request(
            method,
            self._url + path,
            data=fields,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )

    def open(self, path: str) -> requests.Response:
        """Open a page, and remember the token of its forms."""
        answer = self.ask("GET", path)
        if found := _TOKEN.search(answer.text):
            self.csrf = found[1]
        return answer

    def submit(self, path: str, **fields: str) -> requests.Response:
        """Submit a form as the page does."""
        return self.ask("POST", path, {"csrf_token": self.csrf, **fields})

    def sign_in(self, account: tuple[str, str]) -> "Visitor":
        """Sign in."""
        self.open("/sign-in")
        answer = self.submit("/sign-in", username=account[0], password=account[1])
        assert answer.status_code == 303, f"{account[0]} could not sign in: {answer.status_code}"
        self.open("/pbxs")
        return self


def warm_up(product: Product) -> None:
    """Use everything once, so that what is compiled and cached counts as memory of before."""
    with Visitor(product) as admin:
        admin.sign_in(ADMIN)
        pages = (
            "/pbxs",
            "/overview",
            "/account",
            "/pbxs/target/extensions",
            STYLESHEET,
            "/sign-in",
        )
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for answer in threads.map(lambda path: admin.ask("GET", path), pages * AT_ONCE):
                assert answer.status_code < 400, f"{answer.url} answers {answer.status_code}"
