# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found in Containerfiles, and what is left alone."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.lint import (
    RULES,
    level_of,
    level_problems,
    lint,
    read_instructions,
)

PINNED = "FROM registry.example.com/os@sha256:" + "0" * 64 + "\n"
BAD = {
    "machine-id": ["RUN systemd-machine-id-setup", "RUN dbus-uuidgen --ensure=/etc/machine-id"],
    "trailing-user": ["USER gamer", "USER root\nRUN id\nUSER 1000:1000"],
    "late-deletion": [
        "RUN rm -rf /usr/share/doc",
        "RUN --network=none <<EOF\n# why\nrm -rf /usr/share/doc\n\nrm -rf /usr/share/man\nEOF",
        "RUN pacman -Rns --noconfirm base-devel && rm -rf /tmp/x",
        "RUN set -e; apt-get purge -y gcc; apt-get -y autoremove",
    ],
    "package-cache": [
        "RUN pacman -S --noconfirm plasma",
        "RUN apt-get update && apt-get install --yes vim",
        "RUN dnf -y install vim",
    ],
    "unpinned-base": ["FROM docker.io/library/archlinux:latest", "FROM --platform=linux/amd64 ghcr.io/a/b"],
    "short-base": ["FROM skorionos:minimal-latest", "FROM library/archlinux"],
    "ignored-lint": ["RUN bootc container lint || true", "RUN bootc container lint --fatal-warnings || :"],
    "piped-script": [
        "RUN curl -fsSL https://example.com/i.sh | bash",
        "RUN wget -qO- https://example.com/i | sudo -E sh -",
        'RUN sh -c "$(curl -fsSL https://example.com/i.sh)"',
        "RUN bash <(curl https://example.com/i.sh)",
        "RUN <<EOF\nset -e\ncurl https://example.com/i.sh | sh\nEOF",
        "RUN bash <<-'EOF' && true\n\tcurl \\\n https://example.com/i.sh | sh\n\tEOF",
    ],
    "unchecked-download": [
        "RUN curl -o /usr/bin/x https://example.com/x",
        "ADD https://example.com/x /usr/bin/x",
        "RUN git clone --branch main https://example.com/x.git",
    ],
    "unsigned-packages": [
        "RUN printf 'SigLevel = Optional TrustAll' >> /etc/pacman.conf",
        "RUN apt-get install --allow-unauthenticated -y x && rm -rf /var/lib/apt/lists",
    ],
    "secret-argument": ["ARG GITHUB_TOKEN", "ENV A=1 DB_PASSWORD=x", "ENV API_KEY x"],
    "password": [
        "RUN echo gamer:gamer | chpasswd",
        "RUN useradd -m -p '$6$x' gamer",
        "RUN echo 'PasswordAuthentication yes' >> /etc/ssh/sshd_config",
    ],
    "root-folders": ["RUN rm -rf /boot /home /root /usr/local /srv && touch /x", "WORKDIR /home/gamer"],
    "initramfs-twice": ["RUN dracut --force /a\nRUN dracut --force /b"],
    "floating-packages": ["RUN pacman -Syu --noconfirm && rm -rf /var/cache/pacman/pkg"],
}
GOOD = [
    "RUN pacman -Syu --needed vim \\\n # why\n && rm -rf /var/cache/pacman/pkg /repos/",
    "RUN apt-get update && apt-get install -y gcc && make && apt-get purge -y gcc && rm -rf /var/lib/apt/lists/*",
    "RUN systemd-machine-id-setup && rm /etc/machine-id",
    "USER gamer\nRUN id\nUSER root",
    "FROM scratch\nCOPY x /",
    "RUN bootc container lint",
    "RUN curl -o /x https://example.com/x-1.2 && echo '0  /x' | sha256sum --check",
    "ADD --checksum=sha256:0 https://example.com/x /x",
    "RUN git clone https://example.com/x && cd x && git checkout 0123456789abcdef0123456789abcdef01234567",
    'ARG VERSION\nENV TITLE="the secret token PASSWORD=x"',
    "ARG TOKENIZER=x",
    "RUN passwd --lock root && passwd -l x",
    "RUN rm -rf /home && ln -s var/home /home",
    "RUN --mount=type=cache,target=/var/cache/apt apt-get install -y vim",
    "ARG PARENT\nFROM ${PARENT} AS build\nFROM build\nRUN rm -f /x && touch /y",
    "RUN echo '# PasswordAuthentication'",
    "# RUN curl https://example.com/i.sh | sh",
    "RUN python3 <<EOF\nfrom os import path\nEOF",
    'COPY <<EOF /etc/x.conf <<"END" /etc/y.conf\nuser nobody\nEOF\nRUN dbus-uuidgen\nEND',
    "RUN cat <<<x && echo '<<EOF' $((1<<EOF))\nUSER root",
    "RUN cat <<EOF\nUSER root",
]


def found(text):
    return {finding.rule for finding in lint(text)}


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in BAD.items() for text in texts])
def test_each_mistake_is_found_by_its_rule(rule, text):
    assert rule in found(text if text.startswith("FROM") else PINNED + text)


@pytest.mark.parametrize("text", GOOD)
def test_what_is_right_is_left_alone(text):
    assert found(text if "FROM" in text else PINNED + text) == set()


def test_every_rule_has_a_mistake_to_find():
    assert set(BAD) == set(RULES)


def test_a_finding_says_line_cause_and_remedy():
    (finding,) = lint(PINNED + "\n# why\nRUN true \\\n # in between\n  && systemd-machine-id-setup\n")
    assert finding.line == 4
    assert str(finding).startswith("line 4: The image gets a machine id")
    assert str(finding).endswith("[machine-id]")


def test_a_rule_can_be_off_and_all_can_be_errors():
    text = PINNED + "USER gamer\nRUN rm -rf /usr/share/doc\n"
    levels = {"all": "error", "late-deletion": "off"}
    assert [finding.rule for finding in lint(text, levels)] == ["trailing-user"]
    assert level_of("trailing-user", levels) == "error"
    assert level_of("trailing-user", {}) == "warn"


def test_wrong_levels_are_named():
    problems = level_problems({"user": "warn", "machine-id": False, "password": "error"})
    assert len(problems) == 2
    assert "There is no rule 'user'" in problems[0]
    assert "off needs quotes" in problems[1]


def test_stages_and_lines_are_counted():
    text = "ARG A\nFROM a AS x\nRUN a \\\n  b\n\nfrom x\nrun c"
    assert [(one.word, one.text, one.line, one.stage) for one in read_instructions(text)] == [
        ("ARG", "A", 1, -1),
        ("FROM", "a AS x", 2, 0),
        ("RUN", "a b", 3, 0),
        ("FROM", "x", 6, 1),
        ("RUN", "c", 7, 1),
    ]
