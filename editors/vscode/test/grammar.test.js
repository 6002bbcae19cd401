// What holds for the highlighting of every source of the repository.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");

const here = path.join(__dirname, "..");
const repository = path.join(here, "../..");

async function grammar() {
  const wasm = fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm"));
  await oniguruma.loadWASM(wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.length));
  const file = path.join(here, "syntaxes/cbuild.tmLanguage.json");
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => textmate.parseRawGrammar(fs.readFileSync(file, "utf8"), file),
  });
  return registry.loadGrammar("source.cbuild");
}

function sources(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      const skipped = entry.name.startsWith(".") || ["target", "node_modules"].includes(entry.name);
      return skipped ? [] : sources(file);
    }
    return entry.name.endsWith(".cbuild") ? [file] : [];
  });
}

/** All tokens of a text, and the rule stack at its end. */
function tokens(rules, text) {
  let stack = textmate.INITIAL;
  const found = [];
  for (const line of text.split("\n")) {
    const done = rules.tokenizeLine(line, stack);
    assert.ok(!done.stoppedEarly);
    for (const token of done.tokens) {
      found.push({ text: line.slice(token.startIndex, token.endIndex), scopes: token.scopes });
    }
    stack = done.ruleStack;
  }
  return { found, depth: stack.depth };
}

test("every sound source ends outside of all brackets and texts, and is told apart", async () => {
  const rules = await grammar();
  const files = sources(repository).filter((file) => !/tests\/broken|vscode\/test/.test(file));
  assert.ok(files.length > 30, `only ${files.length} files`);
  for (const file of files) {
    const { found, depth } = tokens(rules, fs.readFileSync(file, "utf8"));
    assert.strictEqual(depth, 1, `${file} ends inside of something`);
    for (const { text, scopes } of found) {
      const scope = scopes.at(-1);
      assert.ok(!scope.startsWith("invalid"), `${file}: ${text} is ${scope}`);
      const bare = scope === "source.cbuild" && text.trim() !== "";
      assert.ok(!bare, `${file}: \`${text}\` has no scope`);
      const reserved = /^(as|else|extern|fn|if|import|in|let|match|pub|then|type|with)$/;
      const outside = !scopes.some((name) => /^(string|comment)/.test(name)) || scopes.some((name) => name.startsWith("meta.embedded"));
      if (outside && reserved.test(text)) {
        assert.match(scope, /^(keyword|storage)/, `${file}: ${text} is ${scope}`);
      }
    }
  }
});

test("broken sources take no long time", async () => {
  const rules = await grammar();
  const broken = sources(path.join(repository, "tests/broken"));
  assert.ok(broken.length > 30);
  for (const file of broken) {
    tokens(rules, fs.readFileSync(file, "utf8"));
  }
  for (const part of ["(", "{", "\"#{", "sh\"\"\"#{", "./", "a-", "/", "\\"]) {
    const before = process.hrtime.bigint();
    tokens(rules, `let a = ${part.repeat(2000)}`);
    const seconds = Number(process.hrtime.bigint() - before) / 1e9;
    assert.ok(seconds < 20, `${part} takes ${seconds} s`);
  }
});
