#!/bin/sh
# Installs what building refrain needs, or says exactly what to install.
set -eu
packages="build-essential pkg-config clang libclang-dev libavcodec-dev libavformat-dev libavutil-dev libswscale-dev ffmpeg"
missing=""
for tool in cc pkg-config clang ffmpeg; do command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"; done
if command -v pkg-config >/dev/null 2>&1; then
  for library in libavcodec libavformat libavutil libswscale; do pkg-config --exists "$library" || missing="$missing $library"; done
fi
if [ -n "$missing" ]; then
  echo "missing:$missing"
  if command -v apt-get >/dev/null 2>&1; then
    sudo=""; [ "$(id -u)" = 0 ] || sudo="sudo"
    $sudo apt-get update -qq && $sudo apt-get install -y -qq $packages
  else
    echo "install, with your system's package manager, what Debian calls: $packages" >&2
    exit 1
  fi
fi
command -v cargo >/dev/null 2>&1 || { echo "Rust is missing: install it from https://rustup.rs (1.90 or newer)" >&2; exit 1; }
