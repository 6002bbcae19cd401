// Starts `cbuild lsp` and connects the editor to it. All that the language server can do it tells
// the editor itself; nothing of the language is known here.
"use strict";

const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

/** @type {LanguageClient | undefined} */
let client;

function newClient() {
  const command = vscode.workspace.getConfiguration("cbuild").get("path", "cbuild");
  const run = { command, args: ["lsp"], transport: TransportKind.stdio };
  return new LanguageClient(
    "cbuild",
    "cbuild",
    { run, debug: run },
    {
      documentSelector: [
        { scheme: "file", language: "cbuild" },
        { scheme: "untitled", language: "cbuild" },
      ],
    },
  );
}

async function start() {
  client = newClient();
  try {
    await client.start();
  } catch (error) {
    const path = vscode.workspace.getConfiguration("cbuild").get("path", "cbuild");
    const choice = await vscode.window.showErrorMessage(
      `cbuild's language server does not start: ${error.message}. The program is \`${path} lsp\`.`,
      "Open settings",
    );
    if (choice) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "cbuild.path");
    }
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running?.needsStop()) {
    await running.stop();
  }
}

async function restart() {
  await stop();
  await start();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("cbuild.restart", restart),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("cbuild.path")) {
        await restart();
      }
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
