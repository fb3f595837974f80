#!/usr/bin/env bash
# STAC Browser as npm has it, built into FOLDER/dist; about three minutes, once a machine.
#
#   tests/browser/build_stac_browser.sh ~/.cache/stacgen-tests/stac-browser-4.0.1
#
# It is built as its readme says, with paths behind a hash so that any file server will do. ol-stac
# is held at 1.1.0, because 4.0.1 does not build with later ones. The folder appears when it is
# whole.
set -euo pipefail

version=4.0.1
target=${1:?which folder shall it go to}
[ -f "$target/dist/index.html" ] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "@radiantearth/stac-browser@$version" >/dev/null
tar xzf ./*.tgz
cd package
npm install --no-audit --no-fund --loglevel=error >&2
npm install --no-audit --no-fund --loglevel=error ol-stac@1.1.0 >&2
SB_historyMode=hash SB_pathPrefix=./ npx vue-cli-service build >&2
mkdir -p "$target"
mv dist "$target/dist"
