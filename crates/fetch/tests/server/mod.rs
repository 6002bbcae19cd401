//! A small HTTP server on the loopback, one thread for each connection, which keeps a log.
#![allow(dead_code, reason = "each test program uses another part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Number of requests before this one.
    pub(crate) count: usize,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// What the server does with a request.
pub(crate) enum Answer {
    /// Sends these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Sends these bytes, and then nothing until the client goes away.
    Then(Vec<u8>),
    /// Sends these bytes one by one with a pause after each.
    Drip(Vec<u8>, Duration),
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

    pub(crate) fn raw(head: &str, body: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n{body}").into_bytes())
    }

    /// The same bytes, and then nothing.
    pub(crate) fn then_silence(self) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Then(bytes),
            other => other,
        }
    }

    /// The same bytes, one by one.
    pub(crate) fn dripping(self, pause: Duration) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Drip(bytes, pause),
            other => other,
        }
    }

    /// A head with these lines, and no body.
    pub(crate) fn head(status: &str, lines: &[(&str, &str)]) -> Self {
        let lines: String =
            lines.iter().map(|(name, value)| format!("\r\n{name}: {value}")).collect();
        Self::raw(&format!("{status}\r\ncontent-length: 0{lines}"), "")
    }
}

/// Stops listening when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    accepting: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_seeing(move |seen| answer(&seen.path))
    }

    /// `answer` gets the number of requests before this one, and the path.
    pub(crate) fn start_counting(
        answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_seeing(move |seen| answer(seen.count, &seen.path))
    }

    /// `answer` gets all of a request but its body.
    pub(crate) fn start_seeing(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (kept, ended, answer) = (Arc::clone(&log), stop.clone(), Arc::new(answer));
        let accepting = thread::spawn(move || {
            for connection in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (kept, answer) = (Arc::clone(&kept), answer.clone());
                let Ok(connection) = connection else { return };
                thread::spawn(move || serve(connection, &kept, &*answer));
            }
        });
        Self { address, log, stop, accepting: Some(accepting) }
    }

    /// Host and port.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far.
    pub(crate) fn log(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    /// Asserts that requests came, and that none of them had credentials or told where it came from.
    #[track_caller]
    pub(crate) fn saw_no_secret(&self) {
        let log = self.log();
        assert!(!log.is_empty(), "nothing came");
        for seen in &log {
            for name in ["authorization", "proxy-authorization", "cookie", "referer"] {
                assert_eq!(seen.header(name), None, "{seen:?}");
            }
            assert!(!format!("{seen:?}").contains("secret"), "{seen:?}");
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> usize {
        self.log.lock().unwrap().len()
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

fn serve(connection: TcpStream, log: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen) -> Answer) {
    let mut reader = BufReader::new(connection);
    let (mut seen, mut line) = (Seen::default(), String::new());
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        match line.split_once(": ") {
            Some((name, value)) if !seen.path.is_empty() => {
                seen.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            _ => {
                let mut words = line.split(' ').map(str::to_owned);
                seen.method = words.next().unwrap_or_default();
                seen.path = words.next().unwrap_or_default();
            }
        }
        line.clear();
    }
    if seen.path.is_empty() {
        return;
    }
    let length = seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let _ = std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink());
    {
        let mut log = log.lock().unwrap();
        seen.count = log.len();
        log.push(seen.clone());
    }
    // The client may have left already, which is no matter of the server.
    match answer(&seen) {
        Answer::Bytes(bytes) => drop(reader.get_mut().write_all(&bytes)),
        Answer::Then(bytes) => {
            let _ = reader.get_mut().write_all(&bytes);
            drop(reader.read(&mut [0]));
        }
        Answer::Drip(bytes, pause) => {
            for byte in bytes {
                if reader.get_mut().write_all(&[byte]).is_err() {
                    return;
                }
                thread::sleep(pause);
            }
        }
        Answer::Silence => drop(reader.read(&mut [0])),
    }
}
