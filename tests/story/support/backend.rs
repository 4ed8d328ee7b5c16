//! A remote backend in this process: Terraform's `http`, with locks, on a free port of the loopback.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

type Kept = Arc<Mutex<Stored>>;

#[derive(Default)]
struct Stored {
    states: BTreeMap<String, Vec<u8>>,
    locks: BTreeMap<String, Vec<u8>>,
}

/// The backend; it answers for as long as the process lives.
pub(crate) struct Backend {
    port: u16,
    kept: Kept,
}

impl Backend {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let kept = Kept::default();
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &kept));
            }
        });
        Self { port, kept }
    }

    /// Where the state of this name is kept.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// Locks a state as somebody else would.
    pub(crate) fn lock(&self, name: &str, id: &str, who: &str) {
        let text = format!(
            r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"{who}","Version":"1.11.4","Created":"2026-11-23T09:00:00.5Z","Path":""}}"#
        );
        self.stored().locks.insert(format!("/{name}"), text.into_bytes());
    }

    pub(crate) fn is_locked(&self, name: &str) -> bool {
        self.stored().locks.contains_key(&format!("/{name}"))
    }

    pub(crate) fn has_state(&self, name: &str) -> bool {
        self.stored().states.contains_key(&format!("/{name}"))
    }

    fn stored(&self) -> std::sync::MutexGuard<'_, Stored> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(stream: TcpStream, kept: &Kept) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 || header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let (status, body) = {
            let mut stored = kept.lock().unwrap_or_else(PoisonError::into_inner);
            decide(&mut stored, method, path, body)
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        let stream = reader.get_mut();
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
            return;
        }
    }
}

fn decide(stored: &mut Stored, method: &str, path: String, body: Vec<u8>) -> (&'static str, Vec<u8>) {
    match method {
        "GET" => match stored.states.get(&path) {
            Some(state) => ("200 OK", state.clone()),
            None => ("404 Not Found", Vec::new()),
        },
        "POST" => {
            stored.states.insert(path, body);
            ("200 OK", Vec::new())
        }
        "LOCK" => match stored.locks.get(&path) {
            Some(held) => ("423 Locked", held.clone()),
            None => {
                stored.locks.insert(path, body);
                ("200 OK", Vec::new())
            }
        },
        "UNLOCK" => {
            stored.locks.remove(&path);
            ("200 OK", Vec::new())
        }
        _ => ("405 Method Not Allowed", Vec::new()),
    }
}
