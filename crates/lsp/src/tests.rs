//! Tests of the server over a connection in memory: an editor's messages in, its answers out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cbuild_sema::{LoadError, ModuleKey, Package};
use lsp_server::{Connection, Message, Notification, Request, RequestId, Response};
use serde_json::{Value, json};

use crate::server::serve_on;
use crate::{FilePlace, Outside};

const PRELUDE: &str = "/// Stops.\npub extern fn abort<a>(message: Str) -> a\n";
const STD: &str = "/// Twice.\npub fn twice(text: Str) -> Str = text ++ text\n";

const LIB: &str = "\
//! Helpers.

/// What to say.
pub type Options = { text: Str, times: Int, loud?: Bool }

/// How loud.
pub type Level = Quiet | Loud(Int)

/// Says it.
pub fn say(options: Options, level: Level = Quiet) -> Str = options.text

fn hidden(a: Int) -> Int = a
";

const MAIN: &str = "\
import std
import ./lib.cbuild as lib

/// The greeting.
pub let greeting: Str = lib.say({ text = \"ü\", times = 1 }, level = lib.Loud(2))

pub fn pick(level: lib.Level, other: Str) -> Str =
  let inner = std.twice(other) in
  match level {
    lib.Quiet => inner,
    lib.Loud(times) => greeting,
  }
";

/// Files in memory.
struct Memory {
    files: BTreeMap<String, String>,
}

impl Outside for Memory {
    fn place(&mut self, file: &Path) -> Option<FilePlace> {
        let key = match file.strip_prefix("/std") {
            Ok(path) => ModuleKey::std(path.to_str()?),
            Err(_) => ModuleKey::root(file.strip_prefix("/p").ok()?.to_str()?),
        };
        Some(FilePlace { root: PathBuf::from("/p"), key })
    }

    fn load(&mut self, _: &Path, key: &ModuleKey) -> Result<String, LoadError> {
        match (key.package, key.path.as_str()) {
            (Package::Std, "prelude.cbuild") => Ok(PRELUDE.to_owned()),
            (Package::Std, "main.cbuild") => Ok(STD.to_owned()),
            (Package::Root, path) => self.files.get(path).cloned().ok_or(LoadError::NotFound),
            _ => Err(LoadError::NotFound),
        }
    }

    fn shown_name(&self, _: &Path, key: &ModuleKey) -> String {
        key.to_string()
    }

    fn resolve(&self, _: &Path, _: Package, _: &str) -> Option<ModuleKey> {
        None
    }

    fn importable(&self, _: &Path, _: Package) -> Vec<String> {
        vec!["ext.tls".to_owned()]
    }

    fn file(&mut self, _: &Path, key: &ModuleKey) -> Option<PathBuf> {
        let root = if key.package == Package::Std { "/std" } else { "/p" };
        Some(Path::new(root).join(&key.path))
    }

    fn modules(&mut self, _: &Path) -> Vec<ModuleKey> {
        self.files.keys().map(ModuleKey::root).collect()
    }

    fn entries(&mut self, _: &Path, _: &str) -> Vec<String> {
        self.files.keys().cloned().chain(["sub/".to_owned()]).collect()
    }

    fn changed(&mut self) {}
}

/// An editor that has `main.cbuild` and `lib.cbuild` open.
struct Editor {
    connection: Connection,
    server: std::thread::JoinHandle<Result<(), crate::ServeError>>,
    next: i32,
    main: String,
}

impl Editor {
    fn new(main: &str) -> Self {
        let (ours, theirs) = Connection::memory();
        let files = [("lib.cbuild", LIB), ("main.cbuild", main)];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let server = std::thread::spawn(move || serve_on(theirs, &mut Memory { files }));
        let main = main.to_owned();
        let mut editor = Self { connection: ours, server, next: 0, main: main.clone() };
        let answer = editor.request("initialize", json!({"capabilities": {}}));
        assert_eq!(answer["serverInfo"]["name"], "cbuild");
        editor.notify("initialized", json!({}));
        let document = json!({"uri": "file:///p/main.cbuild", "languageId": "cbuild", "version": 1, "text": main});
        editor.notify("textDocument/didOpen", json!({"textDocument": document}));
        editor
    }

    fn notify(&self, method: &str, params: Value) {
        let message = Notification::new(method.to_owned(), params);
        self.connection.sender.send(message.into()).unwrap();
    }

    /// Sends a request and waits for its answer; what comes in between is passed over.
    fn response(&mut self, method: &str, params: Value) -> Response {
        self.next += 1;
        let id = RequestId::from(self.next);
        let request = Request::new(id.clone(), method.to_owned(), params);
        self.connection.sender.send(request.into()).unwrap();
        loop {
            match self.connection.receiver.recv().unwrap() {
                Message::Response(response) if response.id == id => return response,
                _ => {}
            }
        }
    }

    #[track_caller]
    fn request(&mut self, method: &str, params: Value) -> Value {
        self.response(method, params).response_result.unwrap()
    }

    /// The next diagnostics of `main.cbuild`.
    fn diagnostics(&self) -> Vec<Value> {
        loop {
            if let Message::Notification(notification) = self.connection.receiver.recv().unwrap()
                && notification.method == "textDocument/publishDiagnostics"
                && notification.params["uri"] == "file:///p/main.cbuild"
            {
                return notification.params["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    /// Replaces the whole text.
    fn edit(&mut self, text: &str) {
        text.clone_into(&mut self.main);
        self.notify(
            "textDocument/didChange",
            json!({"textDocument": {"uri": "file:///p/main.cbuild", "version": 2},
                   "contentChanges": [{"text": text}]}),
        );
    }

    /// Parameters that name the place of `needle`, `more` bytes behind its start.
    #[track_caller]
    fn at(&self, needle: &str, more: usize) -> Value {
        let offset = self.main.find(needle).expect(needle) + more;
        let before = &self.main[..offset];
        let line = before.matches('\n').count();
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let character = before[start..].encode_utf16().count();
        json!({"textDocument": {"uri": "file:///p/main.cbuild"},
               "position": {"line": line, "character": character}})
    }

    #[track_caller]
    fn hover(&mut self, needle: &str) -> String {
        let at = self.at(needle, 0);
        let answer = self.request("textDocument/hover", at);
        answer["contents"]["value"].as_str().unwrap_or_default().to_owned()
    }

    /// Labels of what can be typed behind `needle`.
    #[track_caller]
    fn completions(&mut self, needle: &str) -> Vec<String> {
        let at = self.at(needle, needle.len());
        let answer = self.request("textDocument/completion", at);
        let items = answer.as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["label"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn end(mut self) {
        self.request("shutdown", Value::Null);
        self.notify("exit", Value::Null);
        self.server.join().unwrap().unwrap();
    }
}

#[test]
fn hover_shows_declarations_types_and_documentation() {
    let mut editor = Editor::new(MAIN);
    let text = editor.hover("say(");
    assert!(text.contains("pub fn say(options: Options, level: Level = Quiet) -> Str"), "{text}");
    assert!(text.contains("Says it."), "{text}");
    assert!(editor.hover("greeting,\n").contains("pub let greeting: Str"));
    assert!(editor.hover("inner,").contains("inner: Str"));
    assert!(editor.hover("Loud(times)").contains("Loud: (Int) -> Level"));
    assert!(editor.hover("lib.say").contains("Helpers."));
    assert!(editor.hover("times = 1").contains("times: Int"));
    assert!(editor.hover("1 }").contains("Int"));
    editor.end();
}

#[test]
fn definitions_are_found_in_other_files_and_in_std() {
    let mut editor = Editor::new(MAIN);
    let mut definition = |needle: &str| {
        let at = editor.at(needle, 0);
        let answer = editor.request("textDocument/definition", at);
        let line = answer["range"]["start"]["line"].as_u64();
        (answer["uri"].as_str().unwrap_or_default().to_owned(), line)
    };
    assert_eq!(definition("say("), ("file:///p/lib.cbuild".to_owned(), Some(9)));
    assert_eq!(definition("lib.say"), ("file:///p/lib.cbuild".to_owned(), Some(0)));
    assert_eq!(definition("./lib"), ("file:///p/lib.cbuild".to_owned(), Some(0)));
    assert_eq!(definition("twice"), ("file:///std/main.cbuild".to_owned(), Some(1)));
    assert_eq!(definition("inner,"), ("file:///p/main.cbuild".to_owned(), Some(7)));
    assert_eq!(definition("text ="), ("file:///p/lib.cbuild".to_owned(), Some(3)));
    assert_eq!(definition("level ="), ("file:///p/lib.cbuild".to_owned(), Some(9)));
    editor.end();
}

#[test]
fn references_are_found_in_all_files() {
    let mut editor = Editor::new(MAIN);
    let mut references = |needle: &str| {
        let mut at = editor.at(needle, 0);
        at["context"] = json!({"includeDeclaration": true});
        let answer = editor.request("textDocument/references", at);
        let all = answer.as_array().cloned().unwrap_or_default();
        let in_lib = all.iter().filter(|place| place["uri"] == "file:///p/lib.cbuild").count();
        (all.len(), in_lib)
    };
    assert_eq!(references("say("), (2, 1));
    assert_eq!(references("inner,"), (2, 0));
    assert_eq!(references("Quiet =>"), (3, 2));
    assert_eq!(references("text ="), (3, 2), "a field, its use and its declaration");
    assert_eq!(references("other)"), (2, 0));
    editor.end();
}

/// The texts of the edits of a rename, by file.
fn renamed(answer: &Value) -> BTreeMap<String, Vec<String>> {
    let changes = answer["documentChanges"].as_array().cloned().unwrap_or_default();
    let texts = |change: &Value| {
        let edits = change["edits"].as_array().cloned().unwrap_or_default();
        edits.iter().map(|edit| edit["newText"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let uri =
        |change: &Value| change["textDocument"]["uri"].as_str().unwrap_or_default().to_owned();
    changes.iter().map(|change| (uri(change), texts(change))).collect()
}

#[test]
fn renames_reach_all_files_and_are_refused_where_they_clash() {
    let mut editor = Editor::new(MAIN);
    let mut rename = |needle: &str, new: &str| {
        let mut at = editor.at(needle, 0);
        at["newName"] = json!(new);
        editor.response("textDocument/rename", at).response_result
    };
    let changes = renamed(&rename("say(", "tell").unwrap());
    assert_eq!(changes["file:///p/main.cbuild"], ["tell"]);
    assert_eq!(changes["file:///p/lib.cbuild"], ["tell"]);
    let changes = renamed(&rename("inner,", "outer").unwrap());
    assert_eq!(changes["file:///p/main.cbuild"], ["outer", "outer"]);
    for (needle, new, why) in [
        ("twice", "thrice", "standard library"),
        ("inner,", "level", "means something else"),
        ("inner,", "2x", "not a name"),
        ("inner,", "let", "means something else"),
        ("Quiet =>", "quiet", "capital letter"),
        ("say(", "hidden", "means something else"),
    ] {
        let error = rename(needle, new).unwrap_err();
        assert!(error.message.contains(why), "{needle}: {}", error.message);
    }
    editor.end();
}

#[test]
fn completion_knows_members_fields_cases_and_names() {
    let mut editor = Editor::new(MAIN);
    let head = "import std\nimport ./lib.cbuild as lib\n\n";
    let mut typed = |line: &str, needle: &str| {
        editor.edit(&format!("{head}{line}\n"));
        editor.completions(needle)
    };
    let members = typed("let x = lib.", "= lib.");
    assert!(
        members.contains(&"say".to_owned()) && !members.contains(&"hidden".to_owned()),
        "{members:?}"
    );
    let fields = typed("let x = lib.say({ text = \"\",  })", "\"\", ");
    assert_eq!(fields, ["loud", "times"]);
    let fields = typed("let x = (o: lib.Options) => o.t", "o.t");
    assert_eq!(fields, ["loud", "text", "times"]);
    let cases = typed("fn f(l: lib.Level) -> Int = match l { lib.Quiet => 1,  }", "1, ");
    assert_eq!(cases, ["Loud"]);
    let names = typed("fn f(first: Int) -> Int = let second = 1 in ", " in ");
    assert!(
        ["first", "second", "std", "lib", "f", "abort", "Some"]
            .iter()
            .all(|name| names.contains(&(*name).to_owned())),
        "{names:?}"
    );
    let types = typed("let x: lib. = 1", ": lib.");
    assert_eq!(types, ["Level", "Options"]);
    let types = typed("let x:  = 1", "x: ");
    assert!(types.contains(&"Int".to_owned()), "{types:?}");
    let labels = typed("let x = lib.say({ text = \"\", times = 1 }, )", "}, ");
    assert!(labels.contains(&"level".to_owned()), "{labels:?}");
    editor.end();
}

#[test]
fn imports_and_nothing_in_comments() {
    let mut editor = Editor::new("import ./l\n");
    assert_eq!(editor.completions("import ./l"), ["lib.cbuild", "sub/"]);
    editor.edit("import e\n");
    assert!(editor.completions("import e").contains(&"ext.tls".to_owned()));
    editor.edit("let a = 1 // no\n");
    assert_eq!(editor.completions("// no"), Vec::<String>::new());
    editor.end();
}

#[test]
fn signatures_follow_the_arguments() {
    let mut editor = Editor::new(MAIN);
    let mut signature = |line: &str, needle: &str| {
        editor.edit(&format!("import ./lib.cbuild as lib\n{line}\n"));
        let at = editor.at(needle, needle.len());
        let answer = editor.request("textDocument/signatureHelp", at);
        let label = answer["signatures"][0]["label"].as_str().unwrap_or_default().to_owned();
        (label, answer["activeParameter"].as_u64())
    };
    let whole = "say(options: Options, level: Level = …) -> Str";
    assert_eq!(signature("let x = lib.say(", "say("), (whole.to_owned(), Some(0)));
    let second = signature("let x = lib.say({ text = \"\", times = 1 }, )", "}, ");
    assert_eq!(second, (whole.to_owned(), Some(1)));
    let named = signature("let x = lib.say(level = lib.Quiet)", "lib.Qui");
    assert_eq!(named, (whole.to_owned(), Some(1)));
    editor.end();
}

#[test]
fn diagnostics_come_while_typing_and_go_when_it_is_right() {
    let mut editor = Editor::new(MAIN);
    assert_eq!(editor.diagnostics(), Vec::<Value>::new());
    editor.edit("import ./lib.cbuild as lib\npub let a: Str = lib.sya\n");
    let found = editor.diagnostics();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["code"], "E0216");
    assert_eq!(found[0]["range"]["start"], json!({"line": 1, "character": 21}));
    editor.edit("pub let a: Str = \"\"\n");
    assert_eq!(editor.diagnostics(), Vec::<Value>::new());
    editor.end();
}

#[test]
fn fixes_are_offered_as_edits() {
    let mut editor = Editor::new(MAIN);
    let mut fix = |text: &str, needle: &str| {
        editor.edit(text);
        let at = editor.at(needle, 0)["position"].clone();
        let params = json!({"textDocument": {"uri": "file:///p/main.cbuild"},
            "range": {"start": at, "end": at}, "context": {"diagnostics": []}});
        let answer = editor.request("textDocument/codeAction", params);
        let edits = answer[0]["edit"]["documentChanges"][0]["edits"].as_array().cloned();
        let edits = edits.unwrap_or_default();
        edits
            .iter()
            .map(|edit| edit["newText"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let lib = "import ./lib.cbuild as lib\n";
    assert_eq!(fix(&format!("{lib}let a = lib.sya\n"), "sya"), ["say"]);
    assert_eq!(fix("let a = std.twice(\"\")\n", "std"), ["import std\n"]);
    assert_eq!(fix("pub let a = 1\n", "a ="), [": Int"]);
    assert_eq!(fix("let a: Option<Int> = 1\n", "1"), ["Some(", ")"]);
    let arms = fix("fn f(o: Option<Int>) -> Int = match o { None => 1 }\n", "match");
    assert_eq!(arms, [", Some(_) => abort(\"to be written\")"]);
    let field = fix(&format!("{lib}let a = lib.say({{ text = \"\" }})\n"), "{ text");
    assert_eq!(field, [", times = 0"]);
    assert_eq!(fix("let f: (Int) -> Int = x: x + 1\n", "x:"), [" =>"]);
    assert_eq!(fix("fn f(x: Int) -> Int = return x\n", "return"), [""]);
    assert_eq!(fix("let r = { a = 1 }\nlet b = { ...r, a = 2 }\n", "...r"), ["", " with {"]);
    assert_eq!(fix("let r = { a = 1 }\nlet b = r // { a = 2 }\n", "//"), ["with"]);
    assert_eq!(fix("let a: Bool = True\n", "True"), ["true"]);
    editor.end();
}

#[test]
fn of_many_errors_the_first_are_shown_and_warnings_are_warnings() {
    let mut editor = Editor::new(MAIN);
    editor.edit(&"let a = #\n".repeat(60));
    let shown = editor.diagnostics();
    assert_eq!(shown.len(), 51);
    assert_eq!(shown[50]["message"], "10 more errors in this file");
    editor.edit("let r = { a = 1 }\nlet b = r // { a = 2 }\n");
    let shown = editor.diagnostics();
    assert_eq!((&shown[0]["code"], &shown[0]["severity"]), (&json!("E0143"), &json!(2)));
    editor.end();
}

#[test]
fn symbols_formatting_folding_tokens_and_hints() {
    let mut editor = Editor::new(MAIN);
    let document = json!({"textDocument": {"uri": "file:///p/main.cbuild"}});
    let symbols = editor.request("textDocument/documentSymbol", document.clone());
    let names: Vec<&str> =
        symbols.as_array().unwrap().iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(names, ["greeting", "pick"]);
    let found = editor.request("workspace/symbol", json!({"query": "lvl"}));
    assert_eq!(found[0]["name"], "Level");
    assert_eq!(found[0]["containerName"], "lib.cbuild");
    let folds = editor.request("textDocument/foldingRange", document.clone());
    assert_eq!(folds[0]["kind"], "imports");
    let tokens = editor.request("textDocument/semanticTokens/full", document.clone());
    assert_eq!(tokens["data"].as_array().unwrap().len() % 5, 0);
    assert!(tokens["data"].as_array().unwrap().len() > 50);
    let mut hints = document.clone();
    hints["range"] =
        json!({"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}});
    let hints = editor.request("textDocument/inlayHint", hints);
    let labels: Vec<&str> =
        hints.as_array().unwrap().iter().filter_map(|h| h["label"].as_str()).collect();
    assert_eq!(labels, [": Str", ": Int"]);
    editor.edit("let a=1\n");
    let mut format = document;
    format["options"] = json!({"tabSize": 2, "insertSpaces": true});
    let edits = editor.request("textDocument/formatting", format.clone());
    assert_eq!(edits[0]["newText"], "let a = 1\n");
    editor.edit("let a=[\n");
    assert_eq!(editor.request("textDocument/formatting", format), Value::Null);
    editor.end();
}

#[test]
fn changes_by_range_count_utf16() {
    let mut editor = Editor::new("pub let a: Str = \"😀\" // b\n");
    editor.notify(
        "textDocument/didChange",
        json!({"textDocument": {"uri": "file:///p/main.cbuild", "version": 2}, "contentChanges": [
            {"range": {"start": {"line": 0, "character": 18}, "end": {"line": 0, "character": 20}}, "text": "x"},
            {"range": {"start": {"line": 0, "character": 8}, "end": {"line": 0, "character": 9}}, "text": "long"}]}),
    );
    editor.main = "pub let long: Str = \"x\" // b\n".to_owned();
    assert!(editor.hover("long").contains("pub let long: Str"));
    assert!(editor.hover("\"x\"").contains("Str"));
    editor.end();
}

#[test]
fn bad_requests_are_answered_with_errors_and_the_server_goes_on() {
    let mut editor = Editor::new(MAIN);
    let code = |response: Response| response.response_result.unwrap_err().code;
    assert_eq!(code(editor.response("textDocument/hover", json!({"wrong": 1}))), -32602);
    assert_eq!(code(editor.response("no/such/request", json!({}))), -32601);
    let elsewhere = json!({"textDocument": {"uri": "file:///p/other.cbuild"},
                           "position": {"line": 0, "character": 0}});
    assert_eq!(editor.request("textDocument/hover", elsewhere), Value::Null);
    assert!(editor.hover("inner,").contains("Str"));
    editor.end();
}

#[test]
fn every_request_survives_every_cut_of_a_text() {
    let mut editor = Editor::new(MAIN);
    let cuts: Vec<usize> =
        (0..MAIN.len()).filter(|at| MAIN.is_char_boundary(*at)).step_by(7).collect();
    for cut in cuts {
        editor.edit(&MAIN[..cut]);
        let at = editor.at(&MAIN[..cut], cut);
        for method in
            ["textDocument/hover", "textDocument/completion", "textDocument/signatureHelp"]
        {
            let response = editor.response(method, at.clone());
            assert!(response.response_result.is_ok(), "{method} at {cut}: {response:?}");
        }
    }
    editor.end();
}
