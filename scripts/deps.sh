#!/bin/sh
# Installs what building refrain needs, or says exactly what to install. Rust itself is never installed behind your back.
set -eu
packages="build-essential pkg-config clang libclang-dev libavcodec-dev libavformat-dev libavutil-dev libswscale-dev"
rust=1.90

missing=""
for tool in cc make pkg-config clang; do
  command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
if command -v pkg-config >/dev/null 2>&1; then
  for library in libavcodec libavformat libavutil libswscale; do
    pkg-config --exists "$library" || missing="$missing $library"
  done
else
  missing="$missing FFmpeg's-development-files"
fi

by_hand() {
  cat >&2 <<EOF
Please install, then run the same command again:
  Debian, Ubuntu:  apt-get install $packages
  Fedora:          dnf install gcc make pkgconf clang clang-devel ffmpeg-devel   (ffmpeg-devel is in RPM Fusion)
  Arch:            pacman -S base-devel pkgconf clang ffmpeg
  macOS:           brew install pkg-config ffmpeg llvm
EOF
  exit 1
}

if [ -n "$missing" ]; then
  echo "missing:$missing"
  command -v apt-get >/dev/null 2>&1 || by_hand
  if [ "$(id -u)" = 0 ]; then
    sudo=""
  elif command -v sudo >/dev/null 2>&1; then
    sudo="sudo"
  else
    echo "this needs root, and there is no sudo" >&2
    by_hand
  fi
  echo "installing: $packages"
  $sudo apt-get update -qq || by_hand
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null || by_hand
fi

if ! command -v cargo >/dev/null 2>&1; then
  if [ -x "$HOME/.cargo/bin/cargo" ]; then
    echo "Rust is installed but not on the PATH of this shell. Run:  . \"\$HOME/.cargo/env\"" >&2
  else
    echo "Rust is missing. Install it (version $rust or newer) and run the same command again:" >&2
    echo "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . \"\$HOME/.cargo/env\"" >&2
  fi
  exit 1
fi
have=$(cargo --version | cut -d' ' -f2)
if [ "$(printf '%s\n%s\n' "$rust" "$have" | sort -V | head -n1)" != "$rust" ]; then
  echo "Rust $have is too old: refrain needs $rust or newer. Run:  rustup update stable" >&2
  exit 1
fi
