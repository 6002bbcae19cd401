//! The one module that speaks the protocol: messages in, answers and diagnostics out.
//!
//! Messages are answered in their order, each on the text as it is by then. What has arrived while one was
//! answered is looked at first for cancellations. Diagnostics are sent when nothing has arrived for a while,
//! and for all open documents, as a change in one of them may be felt in others. A request that ends in a
//! panic is answered with an error, and the server goes on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cbuild_diag::SourceId;
use cbuild_syntax::FormatError;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use lsp_server::{
    Connection, ErrorCode, Message, Notification, Request, RequestId, Response, ResponseError,
};
use lsp_types::notification::Notification as _;
use lsp_types::request::Request as _;
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CompletionOptions,
    CompletionResponse, FoldingRangeProviderCapability, GotoDefinitionResponse,
    HoverProviderCapability, InitializeParams, OneOf, PrepareRenameResponse, Range, RenameOptions,
    SemanticTokensFullOptions, SemanticTokensLegend, SemanticTokensOptions, SemanticTokensResult,
    ServerCapabilities, SignatureHelpOptions, TextDocumentSyncCapability, TextDocumentSyncKind,
    TextEdit, Uri, WorkspaceSymbolResponse, notification, request,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{
    Outside, actions, complete, diagnostics, hover, navigate, outline, rename, signature, tokens,
};

/// How long nothing must arrive before diagnostics are sent.
const QUIET: Duration = Duration::from_millis(80);

/// Why a server ended other than as its editor asked.
#[derive(Debug)]
pub struct ServeError(String);

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServeError {}

/// Talks to the editor on standard input and output, until it says that this is the end.
///
/// # Errors
/// [`ServeError`], if what arrives is not the protocol, or the editor goes away without a word.
pub fn serve(outside: &mut dyn Outside) -> Result<(), ServeError> {
    let (connection, threads) = Connection::stdio();
    let served = serve_on(connection, outside);
    match served {
        Ok(()) => threads.join().map_err(|error| ServeError(error.to_string())),
        // The reader may wait for an editor that says nothing more.
        Err(error) => Err(error),
    }
}

/// Talks to an editor over a connection.
pub(crate) fn serve_on(
    connection: Connection,
    outside: &mut dyn Outside,
) -> Result<(), ServeError> {
    let failed = |error: &dyn std::fmt::Display| ServeError(error.to_string());
    let capabilities = serde_json::to_value(capabilities()).map_err(|error| failed(&error))?;
    let (id, params) = connection.initialize_start().map_err(|error| failed(&error))?;
    let info = serde_json::json!({"name": "cbuild", "version": env!("CARGO_PKG_VERSION")});
    let answer = serde_json::json!({"capabilities": capabilities, "serverInfo": info});
    connection.initialize_finish(id, answer).map_err(|error| failed(&error))?;
    let mut server = Server {
        workspace: Workspace::new(outside),
        sender: connection.sender.clone(),
        stale: false,
    };
    if watches_files(params) {
        server.watch_files();
    }
    let Connection { sender: _, receiver } = connection;
    server.run(&queued(receiver))
}

/// The messages as they arrive, however slowly they are taken.
fn queued(receiver: Receiver<Message>) -> Receiver<Message> {
    let (sender, queue) = unbounded();
    std::thread::spawn(move || {
        for message in receiver {
            let last = matches!(&message, Message::Notification(n) if n.method == notification::Exit::METHOD);
            if sender.send(message).is_err() || last {
                return;
            }
        }
    });
    queue
}

fn capabilities() -> ServerCapabilities {
    let legend =
        SemanticTokensLegend { token_types: tokens::LEGEND.to_vec(), token_modifiers: Vec::new() };
    let tokens = SemanticTokensOptions {
        legend,
        full: Some(SemanticTokensFullOptions::Bool(true)),
        ..SemanticTokensOptions::default()
    };
    let fixes = CodeActionOptions {
        code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
        ..CodeActionOptions::default()
    };
    let letters = |all: &[&str]| Some(all.iter().map(|letter| (*letter).to_owned()).collect());
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(
            TextDocumentSyncKind::INCREMENTAL,
        )),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: letters(&[".", "/"]),
            ..CompletionOptions::default()
        }),
        signature_help_provider: Some(SignatureHelpOptions {
            trigger_characters: letters(&["(", ","]),
            ..SignatureHelpOptions::default()
        }),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        document_highlight_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        workspace_symbol_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(CodeActionProviderCapability::Options(fixes)),
        document_formatting_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: lsp_types::WorkDoneProgressOptions::default(),
        })),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        semantic_tokens_provider: Some(tokens.into()),
        inlay_hint_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

/// Whether the editor can tell of changed files.
fn watches_files(params: Value) -> bool {
    let params: Option<InitializeParams> = serde_json::from_value(params).ok();
    params
        .and_then(|params| params.capabilities.workspace?.did_change_watched_files)
        .and_then(|watched| watched.dynamic_registration)
        .unwrap_or(false)
}

/// What a request gives: an answer, or why there is none.
type Answer = Result<Value, ResponseError>;

struct Server<'o> {
    workspace: Workspace<'o>,
    sender: Sender<Message>,
    /// Whether diagnostics are to be sent.
    stale: bool,
}

impl Server<'_> {
    fn run(&mut self, receiver: &Receiver<Message>) -> Result<(), ServeError> {
        let mut waiting: VecDeque<Message> = VecDeque::new();
        let mut ending = false;
        loop {
            let message = match waiting.pop_front() {
                Some(message) => message,
                None => match self.next(receiver) {
                    Ok(message) => message,
                    Err(_) if ending => return Ok(()),
                    Err(error) => return Err(error),
                },
            };
            waiting.extend(receiver.try_iter());
            match message {
                Message::Request(request) if request.method == request::Shutdown::METHOD => {
                    ending = true;
                    self.send(Response::new_ok(request.id, ()).into())?;
                }
                Message::Request(request) => {
                    let response = if is_cancelled(&request.id, &waiting) {
                        let code = ErrorCode::RequestCanceled as i32;
                        Response::new_err(request.id, code, "cancelled".to_owned())
                    } else {
                        self.respond(request)
                    };
                    self.send(response.into())?;
                }
                Message::Notification(notification) => {
                    if notification.method == notification::Exit::METHOD {
                        return match ending {
                            true => Ok(()),
                            false => Err(ServeError("the editor ended without a shutdown".into())),
                        };
                    }
                    self.notice(notification);
                }
                // The only requests of ours ask for notifications of changed files.
                Message::Response(_) => {}
            }
        }
    }

    /// The next message; diagnostics are sent when none comes for a while.
    fn next(&mut self, receiver: &Receiver<Message>) -> Result<Message, ServeError> {
        let gone = || ServeError("the editor went away".to_owned());
        if self.stale {
            match receiver.recv_timeout(QUIET) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
                Err(RecvTimeoutError::Timeout) => {
                    self.stale = false;
                    self.publish()?;
                }
            }
        }
        receiver.recv().map_err(|_| gone())
    }

    fn send(&self, message: Message) -> Result<(), ServeError> {
        self.sender.send(message).map_err(|_| ServeError("the editor went away".to_owned()))
    }

    /// Asks to be told when files change.
    fn watch_files(&self) {
        let watchers: Vec<Value> = ["**/*.cbuild", "**/cbuild.mod", "**/cbuild.lock"]
            .iter()
            .map(|glob| serde_json::json!({"globPattern": glob}))
            .collect();
        let registration = serde_json::json!({"registrations": [{
            "id": "files",
            "method": notification::DidChangeWatchedFiles::METHOD,
            "registerOptions": {"watchers": watchers},
        }]});
        let id = RequestId::from("watch-files".to_owned());
        let method = request::RegisterCapability::METHOD.to_owned();
        // An editor that is gone is noticed by the next message.
        let _ = self.sender.send(Request::new(id, method, registration).into());
    }

    fn publish(&mut self) -> Result<(), ServeError> {
        for uri in self.workspace.open_documents() {
            let workspace = &mut self.workspace;
            let found = catch_unwind(AssertUnwindSafe(|| diagnostics::of(workspace, &uri)));
            if let Ok(Some(params)) = found {
                self.publish_one(params)?;
            }
        }
        Ok(())
    }

    fn publish_one(&self, params: lsp_types::PublishDiagnosticsParams) -> Result<(), ServeError> {
        let method = notification::PublishDiagnostics::METHOD.to_owned();
        self.send(Notification::new(method, params).into())
    }

    fn notice(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        let workspace = &mut self.workspace;
        let done = catch_unwind(AssertUnwindSafe(|| notice(workspace, &method, params)));
        match done {
            Ok(Noticed::Changed) => self.stale = true,
            Ok(Noticed::Closed(uri)) => {
                self.stale = true;
                let params = lsp_types::PublishDiagnosticsParams::new(uri, Vec::new(), None);
                // An editor that is gone is noticed by the next message.
                let _ = self.publish_one(params);
            }
            Ok(Noticed::Nothing) | Err(_) => {}
        }
    }

    fn respond(&mut self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let workspace = &mut self.workspace;
        let done = catch_unwind(AssertUnwindSafe(|| answer(workspace, &method, params)));
        let response_result = done.unwrap_or_else(|_| {
            let message = format!("a defect in cbuild ended `{method}`; please report it");
            Err(error(ErrorCode::InternalError, message))
        });
        Response { id, response_result }
    }
}

fn is_cancelled(id: &RequestId, waiting: &VecDeque<Message>) -> bool {
    waiting.iter().any(|message| match message {
        Message::Notification(notification)
            if notification.method == notification::Cancel::METHOD =>
        {
            let wanted = notification.params.get("id").cloned();
            let wanted: Option<RequestId> = wanted.and_then(|id| serde_json::from_value(id).ok());
            wanted.as_ref() == Some(id)
        }
        _ => false,
    })
}

/// What a notification did.
enum Noticed {
    Nothing,
    /// Something that diagnostics may depend on.
    Changed,
    /// A document was closed.
    Closed(Uri),
}

fn notice(workspace: &mut Workspace<'_>, method: &str, params: Value) -> Noticed {
    match method {
        notification::DidOpenTextDocument::METHOD => {
            if let Ok(params) = read::<lsp_types::DidOpenTextDocumentParams>(params) {
                let document = params.text_document;
                workspace.open(&document.uri, document.text, document.version);
                return Noticed::Changed;
            }
        }
        notification::DidChangeTextDocument::METHOD => {
            if let Ok(params) = read::<lsp_types::DidChangeTextDocumentParams>(params) {
                let document = params.text_document;
                workspace.change(&document.uri, document.version, params.content_changes);
                return Noticed::Changed;
            }
        }
        notification::DidCloseTextDocument::METHOD => {
            if let Ok(params) = read::<lsp_types::DidCloseTextDocumentParams>(params) {
                workspace.close(&params.text_document.uri);
                return Noticed::Closed(params.text_document.uri);
            }
        }
        notification::DidChangeWatchedFiles::METHOD | notification::DidSaveTextDocument::METHOD => {
            workspace.files_changed();
            return Noticed::Changed;
        }
        _ => {}
    }
    Noticed::Nothing
}

fn error(code: ErrorCode, message: String) -> ResponseError {
    ResponseError { code: code as i32, message, data: None }
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, ResponseError> {
    serde_json::from_value(params).map_err(|e| error(ErrorCode::InvalidParams, e.to_string()))
}

fn written(answer: impl Serialize) -> Answer {
    serde_json::to_value(answer).map_err(|e| error(ErrorCode::InternalError, e.to_string()))
}

fn refused(why: String) -> ResponseError {
    error(ErrorCode::RequestFailed, why)
}

/// Answers a request.
fn answer(workspace: &mut Workspace<'_>, method: &str, params: Value) -> Answer {
    match method {
        request::HoverRequest::METHOD => {
            let params: lsp_types::HoverParams = read(params)?;
            let at = params.text_document_position_params;
            written(hover::hover(workspace, &at.text_document.uri, at.position))
        }
        request::Completion::METHOD => {
            let params: lsp_types::CompletionParams = read(params)?;
            let at = params.text_document_position;
            let found = complete::complete(workspace, &at.text_document.uri, at.position);
            written(found.map(CompletionResponse::Array))
        }
        request::SignatureHelpRequest::METHOD => {
            let params: lsp_types::SignatureHelpParams = read(params)?;
            let at = params.text_document_position_params;
            written(signature::signature(workspace, &at.text_document.uri, at.position))
        }
        request::GotoDefinition::METHOD => {
            let params: lsp_types::GotoDefinitionParams = read(params)?;
            let at = params.text_document_position_params;
            let found = navigate::definition(workspace, &at.text_document.uri, at.position);
            written(found.map(GotoDefinitionResponse::Scalar))
        }
        request::References::METHOD => {
            let params: lsp_types::ReferenceParams = read(params)?;
            let (at, declared) =
                (params.text_document_position, params.context.include_declaration);
            written(navigate::references(workspace, &at.text_document.uri, at.position, declared))
        }
        request::DocumentHighlightRequest::METHOD => {
            let params: lsp_types::DocumentHighlightParams = read(params)?;
            let at = params.text_document_position_params;
            written(navigate::highlights(workspace, &at.text_document.uri, at.position))
        }
        _ => answer_more(workspace, method, params),
    }
}

fn answer_more(workspace: &mut Workspace<'_>, method: &str, params: Value) -> Answer {
    match method {
        request::PrepareRenameRequest::METHOD => {
            let at: lsp_types::TextDocumentPositionParams = read(params)?;
            let found = rename::prepare(workspace, &at.text_document.uri, at.position);
            written(found.map_err(refused)?.map(PrepareRenameResponse::Range))
        }
        request::Rename::METHOD => {
            let params: lsp_types::RenameParams = read(params)?;
            let at = params.text_document_position;
            let uri = &at.text_document.uri;
            let edit = rename::rename(workspace, uri, at.position, &params.new_name);
            written(edit.map_err(refused)?)
        }
        request::DocumentSymbolRequest::METHOD => {
            let params: lsp_types::DocumentSymbolParams = read(params)?;
            written(outline::document(workspace, &params.text_document.uri))
        }
        request::WorkspaceSymbolRequest::METHOD => {
            let params: lsp_types::WorkspaceSymbolParams = read(params)?;
            let found = outline::package(workspace, &params.query);
            written(WorkspaceSymbolResponse::Nested(found))
        }
        request::CodeActionRequest::METHOD => {
            let params: lsp_types::CodeActionParams = read(params)?;
            written(actions::actions(workspace, &params.text_document.uri, params.range))
        }
        request::Formatting::METHOD => {
            let params: lsp_types::DocumentFormattingParams = read(params)?;
            written(format(workspace, &params.text_document.uri)?)
        }
        request::FoldingRangeRequest::METHOD => {
            let params: lsp_types::FoldingRangeParams = read(params)?;
            written(outline::folding(workspace, &params.text_document.uri))
        }
        request::SemanticTokensFullRequest::METHOD => {
            let params: lsp_types::SemanticTokensParams = read(params)?;
            let found = tokens::tokens(workspace, &params.text_document.uri);
            written(found.map(SemanticTokensResult::Tokens))
        }
        request::InlayHintRequest::METHOD => {
            let params: lsp_types::InlayHintParams = read(params)?;
            written(tokens::hints(workspace, &params.text_document.uri, params.range))
        }
        _ => Err(error(ErrorCode::MethodNotFound, format!("`{method}` is not supported"))),
    }
}

/// The edit that gives a document the one style; none if it has it, or if its syntax is broken.
fn format(workspace: &Workspace<'_>, uri: &Uri) -> Result<Option<Vec<TextEdit>>, ResponseError> {
    let Some(document) = workspace.document(uri) else { return Ok(None) };
    match cbuild_syntax::format(SourceId(0), &document.text) {
        Ok(new) if new == document.text => Ok(Some(Vec::new())),
        Ok(new) => {
            let end = u32::try_from(document.text.len()).unwrap_or(u32::MAX);
            let all = Range::new(Default::default(), document.lines.position(end));
            Ok(Some(vec![TextEdit::new(all, new)]))
        }
        Err(FormatError::Broken(_)) => Ok(None),
        Err(FormatError::Changed(_)) => {
            Err(refused("formatting would change what the file means; it is kept".to_owned()))
        }
    }
}
