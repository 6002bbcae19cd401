#!/bin/sh
# Tests the extension: installs what package-lock.json pins, then checks the grammar against
# assertions, a snapshot and all sources of the repository, and the client against a stand-in for
# the editor. `test.sh --update` writes the snapshots anew.
set -eu
cd "$(dirname "$0")"
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --ignore-scripts --no-progress --loglevel=error
fi
npx --no-install vscode-tmgrammar-test -g syntaxes/cbuild.tmLanguage.json 'test/unit/*.cbuild'
npx --no-install vscode-tmgrammar-snap -g syntaxes/cbuild.tmLanguage.json ${1:+--updateSnapshot} \
  'test/snapshots/*.cbuild'
node --test test/
