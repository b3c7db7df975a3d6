# shellcheck shell=bash
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Repairs for the quirks of CI machines; sourced by .ci/run. Each function checks first, and says what it does.

note() { printf 'ci: %s\n' "$*" >&2; }

install_packages() {
    note "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@" >/dev/null
}

# What `make test` itself cannot ask for, because it needs it before it starts or only ansible-test looks for it.
install_basics() {
    local missing=()
    command -v make >/dev/null || missing+=(make)
    command -v git >/dev/null || missing+=(git)
    command -v shellcheck >/dev/null || missing+=(shellcheck)
    # Containers are prepared before the checks run, so their programs have to be there by then.
    command -v podman >/dev/null || missing+=(podman)
    command -v crun >/dev/null || missing+=(crun)
    command -v openssl >/dev/null || missing+=(openssl)
    # A test has its reader of environment.d read what recipes write.
    [[ -d /usr/lib/systemd/user-environment-generators ]] || missing+=(systemd)
    if ((${#missing[@]})); then
        apt-get -qq update
        install_packages "${missing[@]}"
    fi
}

# pyenv puts launchers for every version on the PATH, most of which only print an error; ansible-test runs them all.
# The interpreters behind them take their place, so that plugins are compiled and imported by each version there is.
use_real_pythons() {
    local directory shims=() kept=()
    IFS=: read -ra shims <<<"$PATH"
    for directory in "${shims[@]}"; do
        [[ $directory == */shims ]] || kept+=("$directory")
    done
    ((${#kept[@]} < ${#shims[@]})) || return 0
    note "replacing pyenv's launchers by the interpreters behind them"
    # Last first, so that `python3` stays that of the operating system.
    for directory in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin; do
        [[ -x $directory/python3 ]] && kept+=("$directory")
    done
    PATH=$(IFS=:; printf '%s' "${kept[*]}")
    export PATH
}

container_runs() { podman run --rm --network=none --rootfs /:O true; }

prepare_containers() {
    local complaint
    complaint=$(container_runs 2>&1 >/dev/null) && return
    note "podman cannot run containers yet: ${complaint##*$'\n'}"
    mount_missing_controllers
    inherit_limits
    use_crun
    container_runs >/dev/null
}

# With version 1 of cgroups, crun wants every controller the kernel has enabled and podman names: each needs its mount.
mount_missing_controllers() {
    [[ -d /sys/fs/cgroup && ! -e /sys/fs/cgroup/cgroup.controllers ]] || return 0
    local name hierarchy enabled _
    while read -r name hierarchy _ enabled; do
        [[ $name == \#* || $enabled != 1 ]] && continue
        [[ $name == hugetlb ]] || continue
        grep -q " /sys/fs/cgroup/[^ ]*${name}[^ ]* cgroup " /proc/self/mounts && continue
        note "mounting the $name controller of version 1 cgroups (hierarchy $hierarchy)"
        mkdir -p "/sys/fs/cgroup/$name"
        mount -t cgroup -o "$name" none "/sys/fs/cgroup/$name"
    done </proc/cgroups
}

# Podman asks for 1048576 open files in each container; where not even root may have that, containers do not start.
# Without a default of its own, podman leaves the limits as they are.
inherit_limits() {
    (ulimit -n 1048576) 2>/dev/null && return
    note "letting containers inherit this machine's limits (open files: $(ulimit -Hn))"
    configure_containers limits "[containers]" "default_ulimits = []"
}

# Debian's podman takes runc when both are there, but only crun lets systemd have the cgroups of a container here.
use_crun() {
    [[ $(podman info --format '{{.Host.OCIRuntime.Name}}') == crun ]] && return
    note "choosing crun as podman's runtime"
    configure_containers runtime "[engine]" 'runtime = "crun"'
}

configure_containers() {
    mkdir -p /etc/containers/containers.conf.d
    printf '# Written by .ci/run of skorionos.bootc\n%s\n%s\n' "$2" "$3" >"/etc/containers/containers.conf.d/bootc-ci-$1.conf"
}

# ansible-test installs pip into its virtual environments with a script it downloads. Where that cannot be had, one
# that does the same from a wheel takes its place in ansible-test's cache.
prepare_ansible_test() {
    local reason version cache=$HOME/.ansible/test/cache
    reason=$(.venv/bin/python tests/checks/sanity.py --can-run) && return
    note "$reason"
    version=$(.venv/bin/python tests/checks/sanity.py --pip-version)
    note "letting pip $version install itself from its wheel"
    mkdir -p "$cache"
    .venv/bin/python -m pip download --quiet --no-deps --dest "$cache" "pip==$version"
    cp .ci/get_pip.py "$cache/get_pip_${version//./_}.py"
}

# Debian 12 has no cosign, and its skopeo has signatures by sigstore patched out. Those of the next release run here, with
# its own C library beside them. Where they cannot be had, the tests that need them fail and say so.
prepare_signing_programs() {
    local folder=/var/cache/bootc-ci/signing
    export BOOTC_SIGNING_PROGRAMS=$folder/bin
    [[ -x $folder/bin/skopeo && -x $folder/bin/cosign ]] && return
    note "fetching skopeo and cosign of Debian 13"
    fetch_signing_programs "$folder" >/dev/null || fetch_signing_programs "$folder" >/dev/null ||
        note "they cannot be had, so the tests of signing with real programs will fail"
}

# Called in a condition, where `set -e` does nothing, so what matters says itself what follows from its failure.
fetch_signing_programs() (
    # shellcheck disable=SC2016 # apt-get's own variables
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
        awk '$2 == "bookworm" { print $1; exit }')
    [[ -n $mirror ]] || exit 1
    rm -rf "$1"
    mkdir -p "$1"/{lists,cache/archives}/partial "$1"/{debs,unpacked,tried}
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' "$mirror" >"$1/sources.list"
    options=(-qq -o "Dir::Etc::sourcelist=$1/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$1/lists" -o "Dir::Cache=$1/cache" -o APT::Sandbox::User=root
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
    packages=(cosign skopeo libc6 libgpgme11t64 libassuan9 libdevmapper1.02.1 libsubid5)
    cd "$1/debs" || exit 1
    timeout 120 apt-get "${options[@]}" update || exit 1
    timeout 120 apt-get "${options[@]}" download "${packages[@]}" || exit 1
    for package in *.deb; do dpkg-deb -x "$package" "$1/unpacked"; done
    cd "$1" || exit 1
    rm -r lists cache debs unpacked/usr/share
    # Both have the triplet of the architecture in their paths, such as x86_64-linux-gnu.
    libraries=$(dirname unpacked/usr/lib/*/libc.so.6)
    loader=$(echo "$libraries"/ld-linux-*.so.*)
    printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$1/$loader" "$1/$libraries:/${libraries#unpacked/}" \
        "$1/unpacked/usr/bin/skopeo" >tried/skopeo
    chmod +x tried/skopeo
    ln -s ../unpacked/usr/bin/cosign tried/cosign
    # What is in bin is taken for good from then on.
    tried/skopeo --version && tried/cosign version && mv tried bin
)
