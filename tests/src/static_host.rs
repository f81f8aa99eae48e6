//! A static host, as plain as they come: files below a folder's address, no header but their type.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Where the site lies on it.
pub const FOLDER: &str = "/some/where/";

/// The host; dropping it cuts the network.
pub struct StaticHost {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl StaticHost {
    /// Serves `site` at [`FOLDER`], and `files` at `FOLDER/files/`.
    pub fn start(site: &Path, files: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stopped, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (folders, stop, log) = ([site.to_owned(), files.to_owned()], Arc::clone(&stopped), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (folders, log) = (folders.clone(), Arc::clone(&log));
                // Who hangs up misses the rest.
                std::thread::spawn(move || drop(answer(stream, &folders, &log)));
            }
        });
        Self { address, stopped, asked }
    }

    /// The site's address.
    pub fn url(&self) -> String {
        format!("http://{}{FOLDER}", self.address)
    }

    /// Every path that was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for StaticHost {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then closes its port.
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(mut stream: TcpStream, [site, files]: &[PathBuf; 2], log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let line = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().expect("no panic").push(target.clone());
    let path = target.split('?').next().unwrap_or_default();
    let found = path.strip_prefix(FOLDER).map(|path| match path.strip_prefix("files/") {
        Some(path) => files.join(path),
        None if path.is_empty() => site.join("index.html"),
        None => site.join(path),
    });
    let Some((found, body)) = found.and_then(|path| Some((path.clone(), std::fs::read(path).ok()?))) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    // No type for .wasm: many hosts have none.
    let kind = match found.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}
