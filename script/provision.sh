#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the other scripts need on the machine. Read by them with `.`, from the repository's root; installs only what is missing.

# need_swift: stops where there is no Swift compiler, which no package manager of Debian's can bring.
need_swift() {
    command -v swift >/dev/null || {
        echo "$0: Swift 6.2 or newer is needed: https://www.swift.org/install/linux/" >&2
        exit 1
    }
}

# need_apt PACKAGE...: installs Debian packages, as root or through sudo.
need_apt() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" -ne 0 ]; then as_root=sudo; fi
    echo "$0: installing$missing" >&2
    # shellcheck disable=SC2086 # the lists are meant to be split
    {
        $as_root apt-get update -qq
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
    } >&2
}

# need_pip REQUIREMENT...: installs Python packages into .build/venv, whose bin is put first in PATH.
# A venv of our own works where pip refuses the system's Python (PEP 668), and under pyenv alike.
need_pip() {
    if [ ! -x .build/venv/bin/pip ]; then
        python3 -c 'import ensurepip' 2>/dev/null || need_apt python3 python3-venv
        python3 -m venv .build/venv
    fi
    PATH="$PWD/.build/venv/bin:$PATH"
    export PATH
    # The list of what was asked for last time saves pip's own second of looking.
    if [ "$(cat .build/venv/installed 2>/dev/null)" != "$*" ]; then
        pip install --quiet --disable-pip-version-check "$@" >&2
        echo "$*" >.build/venv/installed
    fi
}
