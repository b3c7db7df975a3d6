# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks whether an image may be run, of the program and in the way that bootc pulls with: skopeo's image proxy.

It reads the manifest and its signatures and applies the policy. No layer is transferred.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from .._errors import BootcError
from .._process import OwnSession
from .policy import nothing, render_policy

_LONGEST_ANSWER = 64 * 1024
_END_SECONDS = 5.0


@dataclass(frozen=True)
class Rules:
    """The files that decide, and how to reach the registry."""

    policy: Path
    registries_d: Path | None = None
    tls_verify: bool = True
    auth_file: Path | None = None


Ask = Callable[[str, Rules, float], "str | None"]
"""Asks for a reference under rules within seconds; answers with why it may not be run, or none when it may."""


def command(rules: Rules, descriptor: int) -> list[str]:
    """Return the command that answers over a socket."""
    argv = ["skopeo", "--policy", str(rules.policy)]
    if rules.registries_d is not None:
        argv += ["--registries.d", str(rules.registries_d)]
    argv += ["experimental-image-proxy", "--sockfd", str(descriptor)]
    # Left out when true, because naming it would overrule a registry that registries.conf calls insecure.
    if not rules.tls_verify:
        argv += ["--tls-verify=false"]
    if rules.auth_file is not None:
        argv += ["--authfile", str(rules.auth_file)]
    return argv


def refusal(reference: str, rules: Rules, timeout: float) -> str | None:
    """Return why an image in a registry may not be run under these rules, or none when it may.

    Raises BootcError when skopeo cannot be asked, or the registry not reached.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    argv = command(rules, theirs.fileno())
    try:
        process = OwnSession(argv, pass_fds=(theirs.fileno(),))
    except OSError as wrong:
        ours.close()
        raise _not_started(wrong, argv) from wrong
    finally:
        theirs.close()
    try:
        ours.settimeout(timeout)
        for method, arguments in (("Initialize", []), ("OpenImage", [f"docker://{reference}"])):
            answer = _answer(ours, process, method, arguments, argv)
            if answer.get("success") is not True:
                return _judged(str(answer.get("error") or "it gave no reason"), argv)
    finally:
        ours.close()
        _end(process)
    return None


def verify(references: Sequence[str], rules: Rules, timeout: float, ask: Ask = refusal) -> None:
    """Raise BootcError unless every one of the images may be run under the rules.

    First it is asked under a policy that accepts nothing: the image proxy of old versions of skopeo looks at no policy,
    and would accept anything.
    """
    if not references:
        return
    with tempfile.TemporaryDirectory(prefix="bootc-policy-") as folder:
        reject = Path(folder, "policy.json")
        reject.write_text(render_policy(nothing()), encoding="utf-8")
        blind = Rules(reject, rules.registries_d, rules.tls_verify, rules.auth_file)
        if ask(references[0], blind, timeout) is None:
            raise BootcError(
                "unsupported_version",
                "skopeo accepts an image that the policy rejects: this version does not look at the policy when bootc "
                "asks it for an image",
                "Update skopeo to 1.15 or newer",
            )
    for reference in references:
        why = ask(reference, rules, timeout)
        if why is not None:
            raise BootcError(
                "signature",
                f"{reference} may not be run under this policy: {why}",
                "Sign it with a key that the policy accepts, or have the policy accept the key it is signed with",
            )


def _answer(
    ours: socket.socket, process: OwnSession, method: str, arguments: Sequence[str], argv: Sequence[str]
) -> Mapping[str, Any]:
    try:
        ours.send(json.dumps({"method": method, "args": list(arguments)}).encode())
        raw = ours.recv(_LONGEST_ANSWER)
    except socket.timeout as late:
        process.end(_END_SECONDS)
        raise BootcError("timeout", "skopeo did not answer in time", "Give it more time", command=argv) from late
    except OSError:
        raw = b""
    try:
        answer = json.loads(raw)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        ours.close()
        raise _trouble(_end(process) or "it ended without an answer", argv)
    return answer


def _judged(error: str, argv: Sequence[str]) -> str:
    """Tell a verdict from trouble on the way to one."""
    lowered = error.lower()
    if any(words in lowered for words in _TROUBLE):
        raise _trouble(error, argv)
    return error


# A verdict names neither a request nor a file that cannot be used. What is unknown counts as a verdict: against.
_TROUBLE = {
    "sigstore disabled": ("unsupported_version", "Use skopeo 1.15 or newer that was built with sigstore"),
    "loading trust policy": ("invalid", "Correct the policy, or update skopeo: old versions know only one key"),
    "parsing signature storage configuration": ("invalid", "Let only one file in registries.d name the repository"),
    "manifest unknown": ("not_found", "Check the repository and the digest"),
    "name unknown": ("not_found", "Check the repository and the digest"),
    "unauthorized": ("auth", "Give credentials that may read the repository"),
    "authentication required": ("auth", "Give credentials that may read the repository"),
    "denied": ("auth", "Give credentials that may read the repository"),
    "pinging container registry": ("network", "Check the registry's name and port, and whether it speaks TLS"),
    "connection refused": ("network", "Check the registry's name and port, and the network"),
    "no such host": ("network", "Check the registry's name, and the network"),
    "unknown flag": ("unsupported_version", "Update skopeo to 1.15 or newer"),
    "unknown command": ("unsupported_version", "Update skopeo to 1.15 or newer"),
}


def _trouble(said: str, argv: Sequence[str]) -> BootcError:
    lowered = said.lower()
    known = (entry for words, entry in _TROUBLE.items() if words in lowered)
    kind, remedy = next(known, ("unexpected", "Look at what skopeo says"))
    return BootcError(kind, f"skopeo could not tell: {said.strip()}", remedy, command=argv, detail=said)


def _not_started(wrong: OSError, argv: Sequence[str]) -> BootcError:
    return BootcError(
        "unexpected",
        f"skopeo could not be started: {wrong.strerror}",
        "Install skopeo, which bootc needs as well",
        command=argv,
    )


def _end(process: OwnSession) -> str:
    """Let it go once its socket is closed, and insist when it stays; return what it said on stderr."""
    try:
        words = process.communicate(timeout=_END_SECONDS)[1]
    except subprocess.TimeoutExpired:
        words = process.end(_END_SECONDS)
    return words.decode("utf-8", "replace")


def loads(policy: Path, timeout: float) -> str | None:
    """Return why skopeo cannot use a policy file, or none when it can. Asks no registry."""
    with tempfile.TemporaryDirectory(prefix="bootc-policy-") as folder:
        # There is no image to copy, but the policy is read before that is noticed.
        argv = ["skopeo", "--policy", str(policy), "copy", f"dir:{folder}/none", f"dir:{folder}/never"]
        try:
            process = OwnSession(argv)
            said = process.communicate(timeout=timeout)[1].decode("utf-8", "replace")
        except OSError as wrong:
            raise _not_started(wrong, argv) from wrong
        except subprocess.TimeoutExpired as late:
            process.end(_END_SECONDS)
            raise BootcError("timeout", "skopeo did not end in time", "Give it more time", command=argv) from late
    return said.strip() if "loading trust policy" in said.lower() else None
