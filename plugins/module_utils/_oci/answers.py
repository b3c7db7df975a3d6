# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry's refusal means. PRIVATE to the collection."""

from __future__ import annotations

from .errors import AUTH, NETWORK, NOT_FOUND, UNEXPECTED, UNSUPPORTED, Refused, RegistryError
from .transport import Response
from .untrusted import read_json, split_url

_BY_STATUS = {
    401: (AUTH, "Check that the credentials may do this in that repository."),
    403: (AUTH, "Check that the credentials may do this in that repository."),
    405: (UNSUPPORTED, "The registry is read-only or does not offer this; use the one behind it."),
    408: (NETWORK, "Every try ended like this; look at the registry's log, and run again."),
    413: (UNSUPPORTED, "The registry takes no manifests of this size."),
    429: (NETWORK, "The registry limits its rate: try later, or log in for a higher limit."),
}
_SERVER_TROUBLE = (NETWORK, "Every try ended like this; look at the registry's log, and run again.")
_NOT_THERE = (NOT_FOUND, "Check the repository and the tag or digest; it may not be published yet.")
_OTHER_FORMAT = (UNSUPPORTED, "The registry has it in a format that is not asked for; push it again as OCI.")
_REFUSED = (UNEXPECTED, "The registry refuses it for the reason it gives; mend that, or look at its log.")
_NO_REGISTRY = (UNEXPECTED, "That is no registry's answer; check the host and the path in the reference.")


def answer_error(response: Response, what: str, verb: str) -> RegistryError:
    """Turn an answer nobody wanted into its kind, cause and remedy."""
    kind, remedy = _classify(response)
    host = split_url(response.url).host
    cause = f"Could not {verb} {what}: {host} answered {response.status}{said(response)}."
    return Refused(cause, remedy) if response.status in (401, 403) else RegistryError(kind, cause, remedy)


def said(response: Response) -> str:
    """Return what the registry itself gives as reason, in brackets, fit to be shown."""
    texts = [": ".join(part for part in error if part) for error in _registry_errors(response.body)]
    printable = "".join(c if c.isprintable() else " " for c in "; ".join(texts))
    return f" ({printable[:300]})" if printable else ""


def _classify(response: Response) -> tuple[str, str]:
    if response.status == 404:
        errors = _registry_errors(response.body)
        # Distribution says 404 too when a manifest exists only in a type that was not accepted.
        if any("accept header" in text.lower() for _code, text in errors):
            return _OTHER_FORMAT
        return _NOT_THERE if errors else _NO_REGISTRY
    if response.status >= 500:
        return _SERVER_TROUBLE
    otherwise = _REFUSED if _registry_errors(response.body) else _NO_REGISTRY
    return _BY_STATUS.get(response.status, otherwise)


def _registry_errors(body: bytes) -> list[tuple[str, str]]:
    """Return code and message of each error; nothing when the body is something else."""
    try:
        errors = read_json(body, "the answer")["errors"]
        return [(_text(entry.get("code")), _text(entry.get("message"))) for entry in errors]
    except (AttributeError, KeyError, TypeError, RegistryError):
        return []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
