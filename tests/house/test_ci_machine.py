# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that a CI machine fetches are used only when they work there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TRIPLET = "riscv64-linux-gnu"
APT_GET = """#!/bin/sh
case "$*" in
*indextargets*) echo "http://127.0.0.1:1/debian bookworm" ;;
*download*) touch all.deb ;;
esac
"""
# The loader says what it was told, and runs the program.
DPKG_DEB = f"""#!/bin/sh
mkdir -p "$3/usr/bin" "$3/usr/share" "$3/usr/lib/{TRIPLET}"
touch "$3/usr/lib/{TRIPLET}/libc.so.6"
printf '#!/bin/sh\\necho "$2" >"$0.told"\\nshift 2\\nexec "$@"\\n' >"$3/usr/lib/{TRIPLET}/ld-linux-riscv64.so.1"
for name in skopeo cosign; do
    [ $name != "$BROKEN" ]
    printf '#!/bin/sh\\nexit %s\\n' $? >"$3/usr/bin/$name"
done
chmod +x "$3"/usr/bin/* "$3/usr/lib/{TRIPLET}"/ld*
"""


@pytest.mark.parametrize("broken", ["", "skopeo", "cosign"])
def test_signing_programs_are_there_when_both_of_them_run(tmp_path: Path, broken: str) -> None:
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    for name, text in (("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
        (fakes / name).write_text(text)
        (fakes / name).chmod(0o755)
    folder = tmp_path / "signing"
    command = f". {REPOSITORY}/.ci/machine.sh; if fetch_signing_programs {folder}; then echo fetched; fi"
    environment = {"PATH": f"{fakes}:/usr/bin:/bin", "BROKEN": broken}
    done = subprocess.run(["bash", "-euc", command], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert ("fetched" in done.stdout, (folder / "bin" / "skopeo").exists()) == (not broken, not broken)
    told = (folder / "unpacked/usr/lib" / TRIPLET / "ld-linux-riscv64.so.1.told").read_text()
    assert told.strip() == f"{folder}/unpacked/usr/lib/{TRIPLET}:/usr/lib/{TRIPLET}"
