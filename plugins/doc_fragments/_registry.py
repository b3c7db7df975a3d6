# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that talk to an image registry. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  tls_verify:
    description:
      - Whether the registry must speak TLS with a certificate that is trusted.
      - With V(false), any certificate is accepted, and plain HTTP is spoken to a registry that has no TLS. The same
        goes for a registry that C(registries.conf) on that host calls insecure. Reading that takes Python 3.11 or the
        package C(tomli); without them there is a warning, and every registry counts as secure.
      - Authorities and client certificates of one registry are taken from C(certs.d/HOST:PORT) below
        C($XDG_CONFIG_HOME/containers), C(/etc/containers) or C(/etc/docker), as podman and docker do.
      - What C(registries.conf) blocks is not asked. Modules that only read take images from the C(location) that it
        gives for a C(prefix), those that write look where the name says. Mirrors are not used.
    type: bool
    default: true
  auth_file:
    description:
      - File with the credentials for registries, as C(podman login --authfile) writes it.
      - When not given, the first of these with an entry for the repository or its host is used, C($REGISTRY_AUTH_FILE),
        C($XDG_RUNTIME_DIR/containers/auth.json), C($XDG_CONFIG_HOME/containers/auth.json), C(~/.docker/config.json),
        C(~/.dockercfg). When E(REGISTRY_AUTH_FILE) is set, the files after it are not looked at. When E(DOCKER_CONFIG)
        is set, C(config.json) in that folder takes the place of the one in C(~/.docker).
      - Credential helpers that such a file names (C(credHelpers), C(credsStore)) are asked, on the host that the module
        runs on.
    type: path
requirements:
  - requests (Python library)
"""
