// The client with a stand-in for the editor: it starts `cbuild lsp`, starts it anew when told to,
// says so when it cannot, and stops it.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { test } = require("node:test");

const here = path.join(__dirname, "..");

/** Loads the extension with stand-ins; `fails` makes the server not start. */
function load({ settings = {}, fails = false } = {}) {
  const seen = { clients: [], errors: [], commands: {}, executed: [] };
  const vscode = {
    workspace: {
      getConfiguration: () => ({ get: (key, other) => settings[key] ?? other }),
      onDidChangeConfiguration: (listener) => {
        seen.changed = listener;
        return { dispose() {} };
      },
    },
    window: {
      showErrorMessage: async (message, choice) => {
        seen.errors.push(message);
        return choice;
      },
    },
    commands: {
      registerCommand: (name, run) => {
        seen.commands[name] = run;
        return { dispose() {} };
      },
      executeCommand: async (...args) => seen.executed.push(args),
    },
  };
  class LanguageClient {
    constructor(id, name, server, options) {
      Object.assign(this, { id, name, server, options, running: false });
      seen.clients.push(this);
    }
    async start() {
      if (fails) {
        throw new Error("no such file");
      }
      this.running = true;
    }
    needsStop() {
      return this.running;
    }
    async stop() {
      this.running = false;
    }
  }
  const stands = {
    vscode,
    "vscode-languageclient/node": { LanguageClient, TransportKind: { stdio: 0 } },
  };
  const original = Module._load;
  Module._load = (name, ...rest) => stands[name] ?? original(name, ...rest);
  const file = require.resolve("../src/extension.js");
  delete require.cache[file];
  try {
    return { extension: require(file), seen };
  } finally {
    Module._load = original;
  }
}

test("the server is started, restarted and stopped", async () => {
  const settings = {};
  const { extension, seen } = load({ settings });
  const context = { subscriptions: [] };
  await extension.activate(context);
  assert.deepStrictEqual(seen.clients[0].server.run, {
    command: "cbuild",
    args: ["lsp"],
    transport: 0,
  });
  assert.ok(seen.clients[0].options.documentSelector.every((it) => it.language === "cbuild"));
  assert.strictEqual(context.subscriptions.length, 2);

  settings.path = "/opt/cbuild";
  await seen.changed({ affectsConfiguration: (key) => key === "cbuild.path" });
  assert.ok(!seen.clients[0].running && seen.clients[1].running);
  assert.strictEqual(seen.clients[1].server.run.command, "/opt/cbuild");
  await seen.changed({ affectsConfiguration: () => false });
  assert.strictEqual(seen.clients.length, 2);

  await seen.commands["cbuild.restart"]();
  await extension.deactivate();
  assert.deepStrictEqual(seen.clients.map((client) => client.running), [false, false, false]);
});

test("a server that does not start is told of", async () => {
  const { extension, seen } = load({ fails: true });
  await extension.activate({ subscriptions: [] });
  assert.match(seen.errors[0], /no such file.*cbuild lsp/);
  assert.deepStrictEqual(seen.executed, [["workbench.action.openSettings", "cbuild.path"]]);
  await extension.deactivate();
});

test("the language client is there, and the manifest names files that exist", () => {
  assert.ok(require.resolve("vscode-languageclient/node"));
  const manifest = JSON.parse(fs.readFileSync(path.join(here, "package.json"), "utf8"));
  const { languages, grammars } = manifest.contributes;
  const files = [manifest.main, languages[0].configuration, grammars[0].path];
  for (const file of files) {
    assert.ok(fs.existsSync(path.join(here, file)), file);
  }
  const configuration = fs.readFileSync(path.join(here, languages[0].configuration), "utf8");
  const { indentationRules, wordPattern } = JSON.parse(configuration);
  for (const pattern of [...Object.values(indentationRules), wordPattern]) {
    new RegExp(pattern);
  }
});
