#!/bin/sh
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The system is healthy when a session can start and the files of the variant it claims to be are there.
set -eu

. /usr/lib/os-release

variant_file="/usr/share/skorionos/variants/${VARIANT_ID:?os-release names no variant}"
if [ ! -f "$variant_file" ]; then
  echo "session: $variant_file is missing, so this is not a complete '$VARIANT_ID' system" >&2
  exit 1
fi

session="$(cat /usr/share/skorionos/session)"
if [ "$session" != ok ]; then
  echo "session: the session of $VARIANT_ID ${VERSION:-} is '$session' instead of 'ok'" >&2
  exit 1
fi
echo "session: $VARIANT_ID ${VERSION:-} starts its session"
