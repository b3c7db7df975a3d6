# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes, what is wrong with them, and the Containerfiles they become."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.lint import lint, read_instructions
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.recipe import read_recipe, recipe_problems
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.rendering import printed, render
from hypothesis import example, given, settings
from hypothesis import strategies as st

GENERATOR = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")
FULL = {
    "packages": {"pacman": ["plasma-desktop", "sddm"]},
    "snapshot": "2026-11-01",
    "remove_packages": ["base-devel"],
    "remove_paths": ["/usr/share/doc/*", "/usr/share/a b"],
    "files": [
        {"path": "/etc/motd", "content": "it's 100% \\ready\n$HOME <<EOF ü\n", "mode": "0600"},
        {"path": "/", "source": "rootfs/"},
    ],
    "users": [{"name": "gamer", "comment": "A Gamer", "home": "/var/home/gamer", "groups": ["wheel"]}],
    "commands": ["cd /tmp # and back", "pwd"],
    "services": {"enabled": ["sddm.service"], "disabled": ["sshd.service"], "masked": ["x.service"]},
    "environment": {"GREETING": 'say "$HOME"'},
    "os_release": {"VERSION_ID": "{version}", "VARIANT_ID": "kde"},
}


def rendered(document, is_root=False):
    assert recipe_problems(document) == []
    return render(read_recipe(document), name="kde", is_root=is_root)


def test_one_layer_of_each_kind_and_the_version_last():
    text = rendered(FULL)
    starts = [f"{one.word} {one.text}"[:34] for one in read_instructions(text)]
    assert starts == [
        "ARG PARENT",
        "FROM ${PARENT}",
        "RUN export SOURCE_DATE_EPOCH=0 && ",
        "RUN mkdir -p /usr/lib/sysusers.d &",
        'COPY ["rootfs/", "/"]',
        "RUN mkdir -p /etc && printf -- 'it",
        "RUN mkdir -p /usr/lib/environment.",
        "RUN export SOURCE_DATE_EPOCH=0 && ",
        "RUN systemctl enable sddm.service ",
        "ARG VERSION",
        "RUN sed -i -E '/^(VARIANT_ID|VERSI",
    ]


def test_what_packages_leave_is_deleted_in_their_layer():
    packages = next(one.text for one in read_instructions(rendered(FULL)) if "plasma" in one.text)
    order = ["mirrorlist", "-Syyuu", "plasma-desktop", "-Rns", "/var/cache/pacman", "/usr/share/doc/*", "machine-id"]
    assert sorted(order, key=packages.index) == order
    assert "rm -rf -- /usr/share/doc/* '/usr/share/a b'" in packages
    assert "archive.archlinux.org/repos/2026/11/01/$repo/os/$arch" in packages


@pytest.mark.parametrize("manager", ["pacman", "apt", "dnf"])
def test_the_rules_find_nothing_in_what_recipes_become(manager):
    full = {**FULL, "packages": {manager: ["vim"]}, "snapshot": "2026-11-01" if manager == "pacman" else None}
    for is_root in (True, False):
        assert lint(rendered(full, is_root)) == []
        assert "USER" not in rendered(full, is_root)


def test_a_root_is_marked_and_has_no_machine_id():
    text = rendered({}, is_root=True)
    assert 'LABEL containers.bootc="1"' in text
    assert ": > /etc/machine-id" in text
    assert rendered({}) == "ARG PARENT\nFROM ${PARENT}\n"


def test_equal_recipes_give_equal_texts():
    turned = dict(reversed({**FULL, "environment": {"B": "1", "A": "2"}}.items()))
    assert rendered(turned) == rendered({**FULL, "environment": {"A": "2", "B": "1"}})


@pytest.mark.skipif(not GENERATOR.is_file(), reason="systemd is not installed")
def test_sessions_have_the_values_of_the_environment_as_they_are_in_the_recipe(tmp_path):
    wanted = {
        "GREETING": 'say "$HOME" and ${HOME:-no}',
        "PRICE": "5$ $$ $",
        "ODD": "a\\b \\$HOME `id` 'x' %h # ü",
    }
    step = next(one.text for one in read_instructions(rendered({"environment": wanted})) if "environment.d" in one.text)
    folder = tmp_path / "environment.d"
    folder.mkdir()
    subprocess.run(["sh", "-euc", step.replace("/usr/lib/environment.d", str(folder))], check=True)
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": "/home/x"}
    said = subprocess.run([GENERATOR], env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    for name, value in wanted.items():
        assignment = next(line for line in said.splitlines() if line.startswith(f"{name}="))
        assert subprocess.check_output(["sh", "-euc", f'{assignment}; printf %s "${name}"'], text=True) == value


def test_without_packages_paths_are_deleted_after_the_commands():
    text = rendered({"commands": ["touch /a"], "remove_paths": ["/b"]})
    assert "sh -euc 'touch /a' \\\n && rm -rf -- /b" in text


def test_repositories_are_signed_and_no_secret_key_stays():
    repository = {"name": "own", "server": "https://r.example.com/$arch", "key": "0" * 40}
    text = rendered({"packages": {"pacman": ["bootc"]}, "repositories": [repository]})
    assert "SigLevel = Required\\nServer = https://r.example.com/$arch\\n' >> /etc/pacman.conf" in text
    order = ["--init", f"--recv-keys {'0' * 40}", f"--lsign-key {'0' * 40}", " bootc", "private-keys-v1.d"]
    assert sorted(order, key=text.index) == order


def test_users_come_from_sysusers_without_a_password():
    text = rendered({"users": [{"name": "gamer", "id": 1000, "shell": "/usr/bin/bash"}]})
    assert "u gamer 1000 - - /usr/bin/bash\\n" in text
    assert "tmpfiles" not in text


@pytest.mark.parametrize("mode", [0o755, 755, True])
def test_modes_without_quotes_are_refused_because_nobody_can_tell_what_was_written(mode):
    (problem,) = recipe_problems({"files": [{"path": "/usr/bin/x", "source": "x", "mode": mode}]})
    assert "Write it as a text, such as '0644', with the quotes." in problem


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
@example("-n '\"`$(id)`\\n\\000 %s %% <<EOF\n#")
def test_a_shell_prints_every_text_as_it_was(text):
    word = printed(text)
    assert word.isascii()
    assert "\n" not in word
    done = subprocess.run(["sh", "-c", f"printf -- {word}"], capture_output=True, check=True)
    assert done.stdout == text.encode()


@pytest.mark.parametrize("texts", [["x" * 32768], ["ж" * 16384], ["'" * 32768], ["a" * 30000] * 5, ["-n\\\n"] * 1600])
def test_texts_of_the_promised_size_fit_into_lines_and_commands(tmp_path, texts):
    files = [{"path": f"/etc/{n}", "content": text, "mode": "0600"} for n, text in enumerate(texts)]
    text = rendered({"files": files})
    assert max(map(len, text.split("\n"))) < 65536
    for run in (one.text for one in read_instructions(text) if one.word == "RUN"):
        assert len(run) < 128 * 1024 - len("/bin/sh -c ")
        # With the longer paths of the test it may be too long for one argument.
        script = run.replace("/etc", str(tmp_path))
        subprocess.run(["sh", "-eu"], input=script, text=True, check=True)
    assert [(tmp_path / f"{n}").read_text() for n in range(len(texts))] == texts
    assert {(tmp_path / f"{n}").stat().st_mode & 0o777 for n in range(len(texts))} == {0o600}


@pytest.mark.parametrize("value", ['say "$HOME" \\ `id` %s', "\\000", "{version}-{version}%"])
def test_the_version_is_put_in_by_the_shell(tmp_path, value):
    text = rendered({"os_release": {"NAME": value}})
    assert ("ARG VERSION" in text) == ("{version}" in value)
    release = tmp_path / "os-release"
    release.write_text("NAME=old\nID=arch\n")
    (run,) = [one.text for one in read_instructions(text) if one.word == "RUN"]
    script = run.replace("/usr/lib/os-release", str(release))
    subprocess.run(["sh", "-c", script], check=True, env={"PATH": "/usr/bin:/bin", "VERSION": "1.2"})
    read = subprocess.run(["sh", "-c", f'. {release}; printf %s "$ID $NAME"'], capture_output=True, check=True)
    assert read.stdout.decode() == "arch " + value.replace("{version}", "1.2")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "The recipe is not a mapping"),
        ({"package": []}, "unknown key 'package'"),
        ({"packages": {"zypper": []}}, "one of pacman, apt, dnf"),
        ({"packages": {"apt": [], "dnf": []}}, "must have one key"),
        ({"packages": {"apt": ["vim; id"]}}, "apt has 'vim; id', which is not the name of a package"),
        ({"packages": {"apt": ["--force"]}}, "apt has '--force'"),
        ({"packages": {"apt": "vim"}}, "apt is not a list"),
        ({"packages": {"apt": []}, "snapshot": "2026-11-01"}, "are for pacman"),
        ({"packages": {"pacman": []}, "snapshot": "yesterday"}, "snapshot is 'yesterday'"),
        ({"packages": {"pacman": []}, "archive": "https://x/$(id)"}, "archive is"),
        ({"packages": {"pacman": []}, "repositories": [{"name": "x"}]}, "exactly name, server, key"),
        (
            {
                "packages": {"pacman": []},
                "repositories": [{"name": "x", "server": "https://x/$arch", "key": "TrustAll"}],
            },
            "is not a fingerprint",
        ),
        ({"remove_packages": ["gcc"]}, "has remove_packages, but no packages"),
        ({"remove_paths": ["/usr/../etc"]}, "without '..'"),
        ({"remove_paths": ["/*"]}, "remove_paths has '/*'"),
        ({"remove_paths": ["/./*"]}, "remove_paths has '/./*'"),
        ({"remove_paths": ["/.//*/."]}, "remove_paths has '/.//*/.'"),
        ({"remove_paths": "/usr"}, "remove_paths is not a list"),
        ({"files": [{"path": "/a"}]}, "either content or source"),
        ({"files": [{"path": "a", "content": ""}]}, "no absolute path"),
        ({"files": [{"path": "/a", "source": "../b"}]}, "no path in the context"),
        ({"files": [{"path": "/a", "source": "$b"}]}, "no path in the context"),
        ({"files": [{"path": "/a", "content": "x" * 40000}]}, "Use source"),
        ({"files": [{"path": "/a", "content": "x", "mode": "rw"}]}, "Write it as a text, such as '0644'"),
        ({"users": [{"name": "Gamer"}]}, "lower-case letters"),
        ({"users": [{"name": "g", "password": "g"}]}, "unknown key 'password'"),
        ({"users": [{"name": "g", "comment": 'a"b'}]}, "not a plain text"),
        ({"commands": ["a\nb"]}, "one line each"),
        ({"services": {"enabled": ["a b"]}}, "not the name of a unit"),
        ({"services": {"enabled": ["a.service"], "masked": ["a.service"]}}, "both enabled and masked"),
        ({"environment": {"A-B": "x"}}, "environment has the name 'A-B'"),
        ({"environment": {"A": "x\ny"}}, "not a text of one line"),
        ({"os_release": {"id": "x"}}, "os_release has the name 'id'"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named(document, message):
    problems = recipe_problems(document)
    assert re.search(re.escape(message), " ".join(problems)), problems
