//! A small HTTP server on the loopback, one thread for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// What the server does with a request.
pub(crate) enum Answer {
    /// Sends these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Sends nothing until the client goes away.
    Silence,
}

impl Answer {
    pub(crate) fn ok(body: &str) -> Self {
        Self::typed("application/octet-stream", body)
    }

    pub(crate) fn typed(media_type: &str, body: &str) -> Self {
        let length = body.len();
        Self::raw(
            &format!("200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}"),
            body,
        )
    }

    pub(crate) fn status(code: u16) -> Self {
        Self::raw(&format!("{code} Some reason\r\ncontent-length: 0"), "")
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::raw(&format!("302 Found\r\nlocation: {to}\r\ncontent-length: 0"), "")
    }

    pub(crate) fn truncated(body: &str, said: usize) -> Self {
        Self::raw(&format!("200 OK\r\ncontent-length: {said}"), body)
    }

    pub(crate) fn unsized_body(body: &str) -> Self {
        Self::raw("200 OK", body)
    }

    fn raw(head: &str, body: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n{body}").into_bytes())
    }
}

/// Stops listening when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    accepting: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_counting(move |_, path| answer(path))
    }

    /// `answer` gets the number of requests before this one, and the path.
    pub(crate) fn start_counting(
        answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, ended, answer) = (requests.clone(), stop.clone(), Arc::new(answer));
        let accepting = thread::spawn(move || {
            for connection in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (counter, answer) = (counter.clone(), answer.clone());
                let Ok(connection) = connection else { return };
                thread::spawn(move || serve(connection, &counter, &*answer));
            }
        });
        Self { address, requests, stop, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Stops the server, and gives an address at which nobody listens any more.
    pub(crate) fn into_closed_url(self, path: &str) -> String {
        self.url(path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread up; it closes the socket when it ends.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
    }
}

fn serve(connection: TcpStream, requests: &AtomicUsize, answer: &dyn Fn(usize, &str) -> Answer) {
    let mut reader = BufReader::new(connection);
    let mut first = String::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if first.is_empty() {
            first.clone_from(&line);
        }
        line.clear();
    }
    let Some(path) = first.split(' ').nth(1) else { return };
    let count = requests.fetch_add(1, Ordering::SeqCst);
    match answer(count, path) {
        // The client may have left already, which is no matter of the server.
        Answer::Bytes(bytes) => drop(reader.get_mut().write_all(&bytes)),
        Answer::Silence => drop(reader.read(&mut [0])),
    }
}
