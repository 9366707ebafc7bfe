"""What `serve all` gives to browsers: the page's headers, and the demo's endpoints, there only when asked for."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from playwright.async_api import BrowserContext, expect

from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tls import TLS, made_pair
from tests.contracts.kit.tokens import SECRET
from tests.page.conftest import DEMO
from transports.race import TOKENS_BURST

TAB = "tab1"


@pytest.fixture
def http(demo_server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=demo_server.base_url, trust_env=False) as client:
        yield client


def test_the_page_comes_with_a_strict_policy(http: httpx.Client) -> None:
    answer = http.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_every_file_that_the_page_names_is_served_with_its_type(http: httpx.Client) -> None:
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    named = re.findall(r'(?:src|href)="([^"]+)"', http.get("/").text)
    assert len(named) == 4
    for path in named:
        assert not path.startswith("/"), "an absolute path loses the prefix under which the page is mounted"
        answer = http.get(f"/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == types[path.rpartition(".")[2]]
        again = http.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""


@pytest.mark.parametrize("path", ["/page/package.json", "/page/../race.py", "/page/", "/page/clients"])
def test_nothing_else_of_the_folder_is_served(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


def test_a_visitor_gets_a_token_of_his_name_each_one_different(http: httpx.Client) -> None:
    given = []
    for _ in range(10):
        given.append(http.post("/demo/token", json={"user": "bob"}).json())
        time.sleep(0.11)  # so that a second begins in between
    claims = [jwt.decode(answer["token"], SECRET, algorithms=["HS256"]) for answer in given]
    assert {claim["sub"] for claim in claims} == {"bob"}
    assert len({answer["token"] for answer in given}) == 10


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"user":""}', b'{"user":"a b"}', b'{"user":"bob","rooms":["*"]}', b'{"user":1}', b"\xff"]
)
def test_a_token_request_outside_the_contract_is_refused(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/demo/token", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_foreign_page_gets_no_token(http: httpx.Client) -> None:
    answer = http.post("/demo/token", json={"user": "bob"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "header",
    ["Forwarded: for=192.0.2.1", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: localhost",
     "Via: 1.1 proxy", "Host: lab.example", "Host: 127.0.0.1.evil.example", "Host: [::1"],
)  # fmt: skip
def test_who_asks_through_a_proxy_or_by_another_name_gets_no_token(http: httpx.Client, header: str) -> None:
    name, _, value = header.partition(": ")
    for path, body in (("/demo/token", {"user": "bob"}), ("/demo/cut", {"tab": TAB})):
        answer = http.post(path, json=body, headers={name: value})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_tokens_are_rate_limited(servers: ServerPool) -> None:
    own = servers.own("all", DEMO)
    with httpx.Client(base_url=own.base_url, trust_env=False) as client:
        answers = [client.post("/demo/token", json={"user": "bob"}) for _ in range(TOKENS_BURST + 10)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["code"] == "rate_limited"
    assert int(refused[0].headers["retry-after"]) >= 1
    own.stop()


@pytest.mark.parametrize("path", ["/demo/token", "/demo/cut"])
def test_without_demo_there_is_no_such_endpoint(plain_server: ServerProcess, path: str) -> None:
    answer = httpx.post(f"{plain_server.base_url}{path}", json={"user": "bob"}, trust_env=False)
    assert answer.status_code == 404


def test_without_demo_no_link_is_emulated(plain_server: ServerProcess) -> None:
    answer = httpx.get(f"{plain_server.base_url}/rooms/r?delay=nonsense", trust_env=False)
    assert answer.status_code == 401


@pytest.mark.parametrize("delay", ["-1", "2001", "1.5", "x", "", "99999999999"])
def test_a_delay_outside_its_range_is_refused(http: httpx.Client, delay: str) -> None:
    answer = http.get("/rooms/r", params={"delay": delay})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "2000" in answer.json()["message"]


@pytest.mark.parametrize("body", [{"tab": ""}, {"tab": "a/b"}, {"tab": TAB, "outageS": 31}, {"outageS": 1}, {"tab": 1}])
def test_a_cut_outside_its_range_is_refused(http: httpx.Client, body: dict[str, object]) -> None:
    assert http.post("/demo/cut", json=body).status_code == 400


def test_a_cut_drops_what_is_held_and_what_comes_until_the_line_is_whole(http: httpx.Client) -> None:
    bearer = {"Authorization": f"Bearer {http.post('/demo/token', json={'user': 'cut'}).json()['token']}"}
    with http.stream("GET", f"/rooms/cut/events?tab={TAB}", headers=bearer) as stream:
        chunks = stream.iter_raw()
        assert b"welcome" in next(chunks)
        assert http.post("/demo/cut", json={"tab": TAB, "outageS": 30}).json() == {"dropped": 1}
        with pytest.raises(httpx.TransportError):
            list(chunks)
    with pytest.raises(httpx.TransportError):
        http.get(f"/rooms/cut?tab={TAB}", headers=bearer)
    assert http.get("/rooms/cut?tab=another", headers=bearer).status_code == 200
    assert http.post("/demo/cut", json={"tab": TAB}).json() == {"dropped": 0}
    assert http.get(f"/rooms/cut?tab={TAB}", headers=bearer).status_code == 200


def test_demo_is_refused_where_other_machines_could_ask() -> None:
    command = [sys.executable, "-m", "transports", "all", "--demo", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "0.0.0.0 is not a loopback address" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("tls", [False, True])
def test_race_serves_the_demo_without_further_settings(tls: bool, tmp_path: Path) -> None:
    pair = made_pair(tmp_path)
    by = ["--certfile", str(pair.certfile), "--keyfile", str(pair.keyfile)] if tls else []
    command = [sys.executable, "-m", "transports", "race", "--no-browser", "--port", "0", *by]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip().rpartition(" ")[2]
            assert url.startswith("https://" if tls else "http://")
            answer = httpx.post(f"{url}/demo/token", json={"user": "bob"}, verify=TLS, trust_env=False, timeout=20)
            assert answer.status_code == 200
            assert 'data-demo="on"' in httpx.get(url, verify=TLS, trust_env=False).text
        finally:
            process.terminate()
            _, complaints = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in complaints


PROXIED = "This page behind a proxy that nobody configured"


def test_race_stands_behind_a_proxy_too_which_ends_with_it() -> None:
    command = [sys.executable, "-m", "transports", "race", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip().rpartition(" ")[2]
            *_, place = httpx.get(f"{url}/page/elsewhere.json", trust_env=False, timeout=20).json()
            proxied = httpx.Client(
                base_url=f"http://127.0.0.1:{place['port']}", trust_env=False, timeout=20,
                transport=httpx.HTTPTransport(retries=8),
            )  # fmt: skip
            with proxied:
                assert place["title"] == PROXIED
                assert 'data-demo="on"' in proxied.get("/").text
                assert proxied.post("/demo/token", json={"user": "bob"}).status_code == 200
                upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
                assert proxied.get("/rooms/lobby/ws", headers=upgrade).status_code == 426  # nobody passed it on
        finally:
            process.kill()  # not even that leaves the proxy behind
            process.wait(20)
    assert ends(place["port"])


def test_race_on_ipv6_has_no_proxy_which_could_not_reach_it() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    command = [sys.executable, "-m", "transports", "race", "--no-browser", "--host", "::1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip().rpartition(" ")[2]
            assert httpx.get(f"{url}/page/elsewhere.json", trust_env=False, timeout=20).json() == []
        finally:
            process.terminate()
            process.wait(20)


def ends(port: int, within_s: float = 20.0) -> bool:
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return True
        time.sleep(0.05)
    return False


@pytest.fixture
def race_over_tls() -> Iterator[tuple[str, str]]:
    """The addresses of `rtlab race --tls`, plain and over TLS."""
    command = [sys.executable, "-m", "transports", "race", "--no-browser", "--port", "0", "--tls"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            plain, secure = (process.stdout.readline().strip().rpartition(" ")[2] for _ in range(2))
            yield plain, secure
        finally:
            process.terminate()
            _, complaints = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in complaints


async def test_race_over_tls_stands_beside_plain_http_and_the_page_links_to_it(
    race_over_tls: tuple[str, str], visitor: BrowserContext
) -> None:
    plain, secure = race_over_tls
    assert (plain[:7], secure[:8]) == ("http://", "https://")
    page = await visitor.new_page()
    await page.goto(f"{plain}/?join=no")
    links = page.locator("#elsewhere a")
    await expect(links).to_have_text(["This page over TLS", PROXIED])
    await links.first.click()
    await expect(links).to_have_text(["This page without TLS", PROXIED])
    assert page.url == f"{secure}/"
    await expect(page.locator("#members")).to_contain_text(await page.locator("#name").input_value())
