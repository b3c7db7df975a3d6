# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfers that break: always an error of the device, never a traceback, and nothing half done stays."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator import client
from simulator.client import Registry
from simulator.registry import Contents, Handler, Server
from simulator.state import Boot, State
from simulator.verbs.common import PullError
from tests.unit.simulator.conftest import LiveRegistry, layer

BASE = {"usr/lib/os-release": b"ID=skorionos\n"}
NEW = layer({"usr/lib/os-release": b"ID=new\n"})
Trouble = Callable[["TroubledHandler"], bool]


class TroubledHandler(Handler):
    """A registry whose answers ``trouble`` may spoil: it says whether it took care of the request."""

    trouble: Trouble
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if not type(self).trouble(self):
            super().do_GET()


class TroubledRegistry(LiveRegistry):
    """A registry on loopback with a switch for its trouble."""

    def __init__(self, contents: Contents, handler: type[TroubledHandler], port: int) -> None:
        super().__init__(contents, port)
        self.handler = handler

    def spoil(self, trouble: Trouble) -> None:
        self.handler.trouble = trouble  # type: ignore[assignment]

    @property
    def asked(self) -> list[str]:
        return self.handler.asked


@pytest.fixture
def troubled() -> Iterator[TroubledRegistry]:
    contents = Contents()
    fine: Trouble = lambda _handler: False  # noqa: E731
    handler: Any = type("BoundHandler", (TroubledHandler,), {"contents": contents, "trouble": fine, "asked": []})
    httpd = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=lambda: httpd.serve_forever(poll_interval=0.02))
    thread.start()
    yield TroubledRegistry(contents, handler, httpd.server_address[1])
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def is_layer(handler: TroubledHandler) -> bool:
    return handler.contents.blobs.get(handler.path.rpartition("/")[2]) == NEW


def is_manifest(handler: TroubledHandler) -> bool:
    return "/manifests/v2" in handler.path


def cut_short(handler: TroubledHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(NEW)))
    handler.end_headers()
    handler.wfile.write(NEW[:20])
    handler.close_connection = True


def cut_a_chunk(handler: TroubledHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"40\r\n" + NEW[:20])
    handler.close_connection = True


def reset(handler: TroubledHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(NEW)))
    handler.end_headers()
    handler.wfile.write(NEW[:20])
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.shutdown(socket.SHUT_RD)
    handler.connection.close()
    handler.close_connection = True


def hang_up(handler: TroubledHandler) -> None:
    handler.close_connection = True


def speak_nonsense(handler: TroubledHandler) -> None:
    handler.wfile.write(b"nonsense\r\n\r\n")
    handler.close_connection = True


def redirect_nowhere(handler: TroubledHandler) -> None:
    handler._answer(307, Location="ftp://elsewhere/blob")


@pytest.mark.parametrize("where", [is_manifest, is_layer])
@pytest.mark.parametrize("how", [cut_short, cut_a_chunk, reset, hang_up, speak_nonsense, redirect_nowhere])
def test_a_broken_transfer_is_an_error_of_the_device_and_leaves_no_draft(troubled, make_device, where, how):
    troubled.push_image("os", "v1", [layer(BASE)])
    troubled.push_image("os", "v2", [layer(BASE), NEW])
    device = make_device(f"{troubled.host}/os:v1")

    def spoil(handler: TroubledHandler) -> bool:
        if not where(handler):
            return False
        how(handler)
        return True

    troubled.spoil(spoil)
    done = device.run("bootc", "switch", f"{troubled.host}/os:v2")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: Switching: ")
    assert device.show()["staged"] is None
    assert [path.name for path in (device.directory / "store/blobs/sha256").iterdir() if path.name[0] == "."] == []
    assert device.run("skopeo", "inspect", "--raw", f"docker://{troubled.host}/os:v2").returncode == (
        1 if where is is_manifest else 0
    )
    troubled.spoil(lambda _handler: False)
    assert device.run("bootc", "switch", f"{troubled.host}/os:v2").returncode == 0


def registry_of(troubled: TroubledRegistry, root: Path) -> Registry:
    state = State(backend="ostree", bootc_version="1.16.9", boot=Boot("x", 0.0, 0.0))
    return Registry(f"{troubled.host}/os:v2", root, state)


def test_a_server_that_stops_sending_is_given_up(troubled, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "_TIMEOUT_SECONDS", 0.2)
    digest = troubled.push_blob("os", NEW)
    silence = threading.Event()

    def stall(handler: TroubledHandler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(NEW)))
        handler.end_headers()
        handler.wfile.write(NEW[:20])
        handler.wfile.flush()
        silence.wait(5)
        return True

    troubled.spoil(stall)
    with pytest.raises(PullError, match="i/o timeout"):
        registry_of(troubled, tmp_path).layer(digest, tmp_path / "blob")
    silence.set()
    assert list(tmp_path.iterdir()) == []


def test_a_connection_closed_between_requests_is_opened_again(troubled, tmp_path):
    digest = troubled.push_blob("os", NEW)
    closed = threading.Event()

    def answer_and_close(handler: TroubledHandler) -> bool:
        # Announced as kept open, closed all the same: what a proxy does with idle connections.
        if not closed.is_set():
            Handler.do_GET(handler)
            handler.close_connection = True
            closed.set()
            return True
        return False

    troubled.spoil(answer_and_close)
    registry = registry_of(troubled, tmp_path)
    assert registry.blob(digest) == NEW
    assert registry.blob(digest) == NEW


def test_a_server_that_always_hangs_up_is_asked_no_more_than_twice(troubled, tmp_path):
    digest = troubled.push_blob("os", NEW)
    registry = registry_of(troubled, tmp_path)
    assert registry.blob(digest) == NEW

    def always(handler: TroubledHandler) -> bool:
        hang_up(handler)
        return True

    troubled.spoil(always)
    with pytest.raises(PullError, match="unexpected EOF"):
        registry.blob(digest)
    assert len(troubled.asked) == 3


def tokens(good_for: int) -> Trouble:
    """A registry that gives tokens and takes each for ``good_for`` requests."""
    left: dict[str, int] = {}

    def trouble(handler: TroubledHandler) -> bool:
        if handler.path.startswith("/token"):
            name = f"t{len(left)}"
            left[name] = good_for
            handler._json(200, {"token": name})
            return True
        name = (handler.headers.get("Authorization") or "").replace("Bearer ", "")
        if left.get(name, 0) > 0:
            left[name] -= 1
            return False
        realm = f"http://{handler.headers['Host']}/token"
        handler._answer(401, b"{}", WWW_Authenticate=f'Bearer realm="{realm}",service="r",scope="pull"')
        return True

    return trouble


def test_a_token_that_expires_during_a_pull_is_renewed(troubled, make_device):
    troubled.push_image("os", "v1", [layer(BASE)])
    device = make_device(f"{troubled.host}/os:v1")
    troubled.push_image("os", "v2", [layer(BASE), NEW, layer({"usr/share/skorionos/x": b"x"})])
    troubled.spoil(tokens(good_for=1))
    done = device.run("bootc", "switch", f"{troubled.host}/os:v2")
    assert (done.returncode, done.stderr.count("error")) == (0, 0)


def test_a_registry_that_takes_no_token_is_told_as_unauthorized(troubled, make_device):
    troubled.push_image("os", "v1", [layer(BASE)])
    device = make_device(f"{troubled.host}/os:v1")
    troubled.spoil(tokens(good_for=0))
    done = device.run("bootc", "switch", f"{troubled.host}/os:v2")
    assert done.returncode == 1
    assert done.stderr.endswith("unauthorized: authentication required\n")
    assert sum(path.startswith("/token") for path in troubled.asked) == 1


@pytest.mark.parametrize("answer", [b"not json", b"{}", b"[]"])
def test_an_answer_without_a_token_is_told(troubled, tmp_path, answer):
    def trouble(handler: TroubledHandler) -> bool:
        if handler.path.startswith("/token"):
            handler._answer(200, answer)
        else:
            realm = f"http://{handler.headers['Host']}/token"
            handler._answer(401, b"", WWW_Authenticate=f'Bearer realm="{realm}"')
        return True

    troubled.spoil(trouble)
    with pytest.raises(PullError, match="no token in the answer"):
        registry_of(troubled, tmp_path).manifest()


def test_a_challenge_without_a_realm_is_told(troubled, tmp_path):
    def trouble(handler: TroubledHandler) -> bool:
        handler._answer(401, b"", WWW_Authenticate='Bearer service="r"')
        return True

    troubled.spoil(trouble)
    with pytest.raises(PullError, match="requesting bearer token"):
        registry_of(troubled, tmp_path).manifest()


@pytest.mark.parametrize(
    "content", ["not json", "[]", '{"auths": {"127.0.0.1": 5}}', '{"auths": {"HOST": {"auth": 5}}}']
)
def test_a_broken_auth_file_is_told(troubled, tmp_path, content):
    (tmp_path / "etc/ostree").mkdir(parents=True)
    (tmp_path / "etc/ostree/auth.json").write_text(content.replace("HOST", troubled.host))
    troubled.spoil(tokens(good_for=0))
    with pytest.raises(PullError, match=r"reading credentials from .*auth\.json|unauthorized"):
        registry_of(troubled, tmp_path).manifest()


@pytest.mark.parametrize(
    "document",
    [[], {"config": 5}, {"manifests": 5}, {"config": {"digest": "sha256:" + "0" * 64}}, {"manifests": [{}]}],
)
def test_a_manifest_that_is_none_is_told(troubled, make_device, document):
    troubled.push_image("os", "v1", [layer(BASE)])
    device = make_device(f"{troubled.host}/os:v1")
    raw = json.dumps(document).encode()
    digest = client.digest_of(raw)
    repository = troubled.contents.repository("os")
    repository.manifests[digest] = (client.MANIFEST_TYPES[2], raw)
    repository.tags["v2"] = digest
    done = device.run("bootc", "switch", f"{troubled.host}/os:v2")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_a_broken_policy_is_told(troubled, make_device):
    troubled.push_image("os", "v1", [layer(BASE)])
    device = make_device(f"{troubled.host}/os:v1")
    device.file("etc/containers/policy.json").write_text("{")
    done = device.run("bootc", "switch", "--enforce-container-sigpolicy", f"{troubled.host}/os:v2")
    assert done.returncode == 1
    assert "invalid policy in" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_killed_pull_left_goes_with_the_next_boot(troubled, make_device):
    troubled.push_image("os", "v1", [layer(BASE)])
    device = make_device(f"{troubled.host}/os:v1")
    draft = device.directory / "store/blobs/sha256/.0000.1.part"
    draft.write_bytes(b"half")
    device.run("reboot")
    device.wait_until_up()
    assert not draft.exists()
