#!/bin/sh
# Builds `host` with `--backend libtorch`: usage: scripts/libtorch/build.sh FOLDER
# FOLDER is a LibTorch or the torch/ folder of a PyTorch wheel, with include/ and lib/ (2.9 is what tch 0.22 names; 2.11.0+cu130 ran).
# The program finds those libraries again through LD_LIBRARY_PATH=FOLDER/lib. See docs/training.md.
set -eu
[ $# -eq 1 ] && [ -d "$1/include" ] && [ -d "$1/lib" ] || {
    echo "usage: $0 FOLDER, with include/ and lib/ of LibTorch (unzip a torch wheel: FOLDER is its torch/)" >&2
    exit 2
}
torch=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}/libtorch
version=0.22.1

# Burn's LibTorch backend computes a convolution's weight gradient the slow way; the patch gives it to LibTorch's autograd.
cargo fetch --quiet
source=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -name "burn-tch-$version" | head -1)
rm -rf "$target/burn-tch"
mkdir -p "$target"
cp -R "$source" "$target/burn-tch"
patch --quiet --directory "$target/burn-tch" --strip 1 <"scripts/libtorch/burn-tch-$version.patch"
patched=$(cd "$target/burn-tch" && pwd)

# A patched package changes the lock file, for this build alone.
cp Cargo.lock "$target/Cargo.lock"
trap 'cp "$target/Cargo.lock" Cargo.lock' EXIT
LIBTORCH=$torch LIBTORCH_INCLUDE=$torch LIBTORCH_BYPASS_VERSION_CHECK=1 CARGO_TARGET_DIR=$target \
    cargo build --release -p cxr-host --features libtorch --config "patch.crates-io.burn-tch.path=\"$patched\""
echo "built $target/release/host; run it with LD_LIBRARY_PATH=$torch/lib"
