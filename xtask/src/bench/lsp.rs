//! The language server on a generated package set of 100,000 lines: how long after an edit it answers.
//!
//! The server is a process as an editor starts it, and each time is from the edit being sent to the answer
//! having arrived.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::packages::{FILES, generate};
use super::{median, row};
use crate::Result;
use crate::command::build_cbuild;

/// The bar for an answer after an edit, in milliseconds.
const BAR: u128 = 100;

/// Measures; `runs` counts tens of edits.
pub(crate) fn run(runs: usize) -> Result {
    let program = match std::env::var_os("CBUILD") {
        Some(program) => PathBuf::from(program),
        None => build_cbuild()?,
    };
    let scratch = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let folder = scratch.path().join("set");
    let lines = generate(&folder)?;
    println!("{lines} lines in {} files", FILES + 1);
    println!("{:<52} {:>12}", "measurement", "median");
    let mut server = Server::start(&program, scratch.path())?;
    for (title, path) in
        [("a file in the middle", "p250.cbuild"), ("the file that imports all", "main.cbuild")]
    {
        let began = Instant::now();
        let mut file = server.open(&folder.join(path))?;
        server.hover(&file)?;
        row(&format!("{title}: opened, first answer"), began.elapsed());
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..runs.max(1) * 10 {
            times[0].push(server.edited(&mut file, Server::hover)?);
            times[1].push(server.edited(&mut file, Server::complete)?);
        }
        for (what, times) in ["hover", "completion"].iter().zip(times) {
            let worst = times.iter().max().copied().unwrap_or_default();
            row(&format!("{title}: {what} after an edit"), median(times));
            row("  the slowest", worst);
            if worst.as_millis() > BAR {
                println!("  over the bar of {BAR} ms");
            }
        }
    }
    server.stop()
}

/// A document as the editor has it.
struct File {
    uri: String,
    text: String,
    version: i32,
}

impl File {
    /// Line and column of the first `needle`; the texts are ASCII.
    fn position(&self, needle: &str) -> Value {
        let offset = self.text.find(needle).unwrap_or(0) + needle.len();
        let before = &self.text[..offset];
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        json!({"line": before.matches('\n').count(), "character": offset - start})
    }
}

struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: i32,
}

impl Server {
    fn start(program: &Path, scratch: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("lsp").stdin(Stdio::piped()).stdout(Stdio::piped());
        command
            .env("CBUILD_ROOT", scratch.join("root"))
            .env("XDG_CACHE_HOME", scratch.join("cache"));
        let mut child =
            command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or("the server has no pipes")?;
        let mut server = Self { child, input, output: BufReader::new(output), next: 0 };
        server.ask("initialize", &json!({"capabilities": {}}))?;
        server.tell("initialized", &json!({}))?;
        Ok(server)
    }

    fn send(&mut self, message: &Value) -> Result {
        let text = message.to_string();
        let sent = write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len());
        sent.and_then(|()| self.input.flush()).map_err(|error| format!("to the server: {error}"))
    }

    fn tell(&mut self, method: &str, params: &Value) -> Result {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    /// Sends a request and waits for its answer.
    fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        loop {
            let message = self.receive()?;
            if message["id"] == id {
                let problem = &message["error"];
                return match problem {
                    Value::Null => Ok(message["result"].clone()),
                    _ => Err(format!("{method}: {problem}")),
                };
            }
        }
    }

    fn receive(&mut self) -> Result<Value> {
        let failed = |error: std::io::Error| format!("from the server: {error}");
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).map_err(failed)? == 0 {
                return Err("the server ended".to_owned());
            }
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", count)) => length = count.parse().unwrap_or(0),
                Some(_) => {}
                None => break,
            }
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(|error| format!("from the server: {error}"))
    }

    fn open(&mut self, path: &Path) -> Result<File> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let uri = format!("file://{}", path.display());
        let document = json!({"uri": uri, "languageId": "cbuild", "version": 1, "text": text});
        self.tell("textDocument/didOpen", &json!({"textDocument": document}))?;
        Ok(File { uri, text, version: 1 })
    }

    /// Adds a line and asks; the time until the answer is there.
    fn edited(&mut self, file: &mut File, ask: fn(&mut Self, &File) -> Result) -> Result<Duration> {
        file.version += 1;
        let line = format!("let added_{} = std.\n", file.version);
        let whole = file.text.lines().count();
        let end = json!({"line": whole, "character": 0});
        file.text.push_str(&line);
        let changes = json!([{"range": {"start": end, "end": end}, "text": line}]);
        let document = json!({"uri": file.uri, "version": file.version});
        let began = Instant::now();
        self.tell(
            "textDocument/didChange",
            &json!({"textDocument": document, "contentChanges": changes}),
        )?;
        ask(self, file)?;
        Ok(began.elapsed())
    }

    fn hover(&mut self, file: &File) -> Result {
        let needle = if file.text.contains("pkg_7(") { "pub fn pkg_7" } else { "p7.pkg_0" };
        let params = json!({"textDocument": {"uri": file.uri}, "position": file.position(needle)});
        let answer = self.ask("textDocument/hover", &params)?;
        let text = answer["contents"]["value"].as_str().unwrap_or_default();
        if text.contains("(recipe: Recipe) -> Made") {
            Ok(())
        } else {
            Err(format!("hover: {answer}"))
        }
    }

    fn complete(&mut self, file: &File) -> Result {
        let needle = format!("added_{} = std.", file.version);
        let params = json!({"textDocument": {"uri": file.uri}, "position": file.position(&needle)});
        let answer = self.ask("textDocument/completion", &params)?;
        let found =
            answer.as_array().is_some_and(|items| items.iter().any(|i| i["label"] == "text"));
        if found { Ok(()) } else { Err(format!("completion: {answer}")) }
    }

    fn stop(mut self) -> Result {
        self.ask("shutdown", &Value::Null)?;
        self.tell("exit", &Value::Null)?;
        let status = self.child.wait().map_err(|error| format!("the server: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }
}
