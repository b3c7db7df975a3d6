#!/bin/sh
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# scripts/venv.sh run|test: bring .venv to what pyproject.toml lists for running the playbooks, or for testing them too.
# Called by make when a stamp is older than pyproject.toml. PYTHON= chooses the interpreter.
set -eu

purpose=$1
checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$checkout"
venv=.venv
stamp=$venv/.stamp-$purpose

say() { printf '%s\n' "$*" >&2; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
can_make_venv() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

# Running each candidate (not just finding it) passes over launchers without an interpreter behind them, such as pyenv's.
find_python() {
    without_venv=
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        is_new_enough "$candidate" || continue
        if can_make_venv "$candidate"; then
            command -v "$candidate"
            return
        fi
        without_venv=${without_venv:-$candidate}
    done
    if [ -z "$without_venv" ]; then
        say "error: no Python 3.11 or newer found (tried: ${PYTHON:-python3.13 python3.12 python3.11 python3})."
        say "remedy: install one (Debian: apt-get install python3 python3-venv; Fedora: dnf install python3; Arch: pacman -S python)"
        say "        or name it: make PYTHON=/path/to/python3 ..."
        return 1
    fi
    version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$purpose" = test ] || [ "${MAKECMDGOALS:-}" = test ]; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            say "installing python$version-venv ..."
            apt-get -qq update >&2 && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "python$version-venv" >&2
            if can_make_venv "$without_venv"; then
                command -v "$without_venv"
                return
            fi
        fi
    fi
    say "error: $without_venv (Python $version) cannot make virtual environments: its venv or ensurepip module is missing."
    say "remedy: as root, apt-get install python$version-venv   (or name another one: make PYTHON=/path/to/python3 ...)"
    return 1
}

# Two makes in one checkout take turns; the second one finds the work done.
mkdir -p .ansible
if command -v flock >/dev/null; then
    exec 9>.ansible/venv.lock
    flock 9
fi
if [ -e "$stamp" ] && [ -z "$(find pyproject.toml scripts -newer "$stamp")" ]; then
    exit 0
fi

# A cache below a HOME that is missing or belongs to somebody else only yields warnings.
[ -w "${HOME:-/nonexistent}" ] || export PIP_NO_CACHE_DIR=1
export PIP_DISABLE_PIP_VERSION_CHECK=1

if [ "$(cat $venv/.made-in 2>/dev/null)" != "$checkout" ] || ! $venv/bin/python -c '' 2>/dev/null; then
    python=$(find_python)
    say "creating $venv with $python ..."
    (cd $venv 2>/dev/null && rm -rf bin lib lib64 include pyvenv.cfg .stamp-*) || true
    "$python" -m venv $venv
    printf '%s\n' "$checkout" >$venv/.made-in
fi

say "installing Python packages to $purpose ..."
$venv/bin/python scripts/requirements.py "$purpose" >$venv/requirements-"$purpose".txt
$venv/bin/python -m pip install --quiet -r $venv/requirements-"$purpose".txt || {
    say "error: pip could not install the packages named in pyproject.toml (its message is above)."
    say "remedy: check the network and pip's configuration (pip config list), then run make again"
    exit 1
}

mkdir -p $venv/collections/ansible_collections/skorionos
ln -sfn "$checkout" $venv/collections/ansible_collections/skorionos/bootc
touch "$stamp"
