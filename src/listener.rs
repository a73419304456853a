//! A few pages served by HTTP/1.1 to this machine: one thread, one answer at a time, nothing kept open.
//!
//! It serves scrapers and probes, which ask once every few seconds. A request has [`PATIENCE`] to arrive, and again to be answered, whatever
//! the other side does, and no more than [`LARGEST`] bytes. Who is slow to ask holds up nobody: requests arrive side by side. A browser is
//! refused unless it was sent here by an address: a name that leads to loopback is how a web page would read what is here (DNS rebinding).

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::error::{Error, Kind, Result};
use crate::sync::Mutex;

/// How long a request may take to arrive, and again to be answered.
const PATIENCE: Duration = Duration::from_secs(2);
/// How large the head of a request may be, in bytes.
const LARGEST: usize = 8 * 1024;
/// How long the listener waits when the system has no room for another connection.
const BREATHER: Duration = Duration::from_millis(50);
/// How often it looks whether more of a request has arrived, while there are any.
const GLANCE: Duration = Duration::from_millis(2);
/// How many requests may be arriving; the oldest one goes when there are more.
const ARRIVING: usize = 256;

/// What there is to see.
pub trait Pages: Send + Sync {
    /// The page at `path`, in a form that `accept` names where there are several; `None`: there is none.
    fn page(&self, path: &str, accept: &str) -> Option<Page>;
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `200 OK`, …
    pub status: &'static str,
    pub content_type: &'static str,
    pub body: String,
}

impl Page {
    /// A line of text.
    pub fn text(status: &'static str, body: &str) -> Page {
        Page { status, content_type: "text/plain; charset=utf-8", body: format!("{body}\n") }
    }
}

/// A running listener.
pub struct Listener {
    address: SocketAddr,
    socket: TcpListener,
    stopped: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Listener {
    /// Serves `pages` at `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`Kind::Io`] and [`Kind::Permission`], with the address.
    pub fn start(address: SocketAddr, pages: Arc<dyn Pages>) -> Result<Listener> {
        let failed = |error: std::io::Error| {
            let kind = if error.kind() == ErrorKind::PermissionDenied { Kind::Permission } else { Kind::Io };
            Error::new(kind, format!("metrics.listen: {address}: {error}")).with_source(error)
        };
        let socket = TcpListener::bind(address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let service =
            Service { socket: socket.try_clone().map_err(failed)?, pages, stopped: stopped.clone(), local: is_local(address.ip()) };
        let thread = std::thread::Builder::new().name("keepwell-http".to_string()).spawn(move || service.run()).map_err(failed)?;
        Ok(Listener { address, socket, stopped, thread: Mutex::new(Some(thread)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the service and waits for the request under way. Stops for forked children too, which have the socket open.
    pub fn stop(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        self.stopped.store(true, Ordering::Release);
        // Where that does not wake who accepts, a connection does.
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
        let _ = TcpStream::connect_timeout(&reachable(self.address), Duration::from_millis(200));
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }

    /// To be called in a forked child before the listener is dropped: the thread is the parent's.
    pub fn forget(&mut self) {
        std::mem::forget(std::mem::take(&mut self.thread));
    }
}

fn is_local(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// An address that leads to a socket that is bound to `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

struct Service {
    socket: TcpListener,
    pages: Arc<dyn Pages>,
    stopped: Arc<AtomicBool>,
    /// Only this machine can reach it.
    local: bool,
}

/// What of a request matters.
struct Request {
    method: String,
    path: String,
    host: String,
    accept: String,
}

/// A connection whose request has not arrived as a whole.
struct Arrival {
    stream: TcpStream,
    bytes: Vec<u8>,
    end: Instant,
}

/// What there is of a request so far.
enum Arrived {
    Part,
    Whole(std::result::Result<Request, Page>),
    /// The other side has gone, or was too slow.
    Nobody,
}

impl Service {
    fn run(&self) {
        let mut arrivals = VecDeque::new();
        while self.accept(&mut arrivals) {
            arrivals.retain_mut(|arrival: &mut Arrival| match arrival.look() {
                Arrived::Part => true,
                Arrived::Whole(request) => {
                    let _ = self.serve(&mut arrival.stream, &request);
                    false
                }
                Arrived::Nobody => false,
            });
            if !arrivals.is_empty() {
                std::thread::sleep(GLANCE);
            }
        }
    }

    /// Takes in who has come: waits for somebody where nobody is there. `false`: the listener was stopped.
    fn accept(&self, arrivals: &mut VecDeque<Arrival>) -> bool {
        loop {
            let waits = arrivals.is_empty();
            let accepted = self.socket.set_nonblocking(!waits).and_then(|()| self.socket.accept());
            if self.stopped.load(Ordering::Acquire) {
                return false;
            }
            match accepted {
                Ok((stream, _)) => {
                    if stream.set_nonblocking(true).is_ok() {
                        arrivals.push_back(Arrival { stream, bytes: Vec::new(), end: Instant::now() + PATIENCE });
                    }
                    if arrivals.len() > ARRIVING {
                        arrivals.pop_front();
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => {
                    std::thread::sleep(BREATHER);
                    return true;
                }
            }
        }
    }

    fn serve(&self, stream: &mut TcpStream, request: &std::result::Result<Request, Page>) -> std::io::Result<()> {
        let (page, with_body) = match request {
            Ok(request) => (self.answer(request), request.method != "HEAD"),
            Err(page) => (page.clone(), true),
        };
        stream.set_nonblocking(false)?;
        send(stream, &page, with_body, Instant::now() + PATIENCE)
    }

    fn answer(&self, request: &Request) -> Page {
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return Page::text("405 Method Not Allowed", "GET and HEAD only");
        }
        if self.local && !is_address(&request.host) {
            return Page::text("403 Forbidden", "ask by address, or by localhost");
        }
        let path = request.path.split(['?', '#']).next().unwrap_or_default();
        self.pages.page(path, &request.accept).unwrap_or_else(|| Page::text("404 Not Found", "there are /metrics and /health"))
    }
}

/// Whether a `Host` is an address or `localhost`, with or without a port; a request without one is from no browser.
fn is_address(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.is_empty() || name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

impl Arrival {
    /// Reads what has come since the last look.
    fn look(&mut self) -> Arrived {
        let mut block = [0; 1024];
        loop {
            match self.stream.read(&mut block) {
                Ok(0) => return Arrived::Nobody,
                Ok(count) => self.bytes.extend_from_slice(&block[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < self.end => return Arrived::Part,
                Err(_) => return Arrived::Nobody,
            }
            match parse(&self.bytes) {
                Some(done) => return Arrived::Whole(done),
                None if self.bytes.len() > LARGEST => {
                    return Arrived::Whole(Err(Page::text("431 Request Header Fields Too Large", "the request is too large")))
                }
                None => {}
            }
        }
    }
}

/// `None`: there is more to come.
fn parse(bytes: &[u8]) -> Option<std::result::Result<Request, Page>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => None,
        Err(error) => Some(Err(Page::text("400 Bad Request", &error.to_string()))),
        Ok(httparse::Status::Complete(_)) => {
            let header = |name: &str| {
                let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                found.map(|header| String::from_utf8_lossy(header.value).trim().to_string()).unwrap_or_default()
            };
            Some(Ok(Request {
                method: request.method.unwrap_or_default().to_string(),
                path: request.path.unwrap_or_default().to_string(),
                host: header("host"),
                accept: header("accept"),
            }))
        }
    }
}

fn send(stream: &mut TcpStream, page: &Page, with_body: bool, end: Instant) -> std::io::Result<()> {
    let Page { status, content_type, body } = page;
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n{}\r\n",
        body.len(),
        if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" },
    );
    if with_body {
        answer.push_str(body);
    }
    let mut rest = answer.as_bytes();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(end)?))?;
        let count = stream.write(rest)?;
        rest = &rest[count..];
    }
    stream.shutdown(Shutdown::Write)
}

fn left(end: Instant) -> std::io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Pages for Echo {
        fn page(&self, path: &str, accept: &str) -> Option<Page> {
            (path == "/echo").then(|| Page::text("200 OK", &format!("{path} {accept}")))
        }
    }

    fn start() -> Listener {
        Listener::start("127.0.0.1:0".parse().unwrap(), Arc::new(Echo)).unwrap()
    }

    fn ask(listener: &Listener, request: &str) -> String {
        let mut stream = TcpStream::connect(listener.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn pages_are_served_to_who_asks_properly() {
        let listener = start();
        for (request, status, body) in [
            ("GET /echo HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAccept: x/y\r\n\r\n", "200 OK", "/echo x/y\n"),
            ("GET /echo?a=b HTTP/1.0\r\n\r\n", "200 OK", "/echo \n"),
            ("HEAD /echo HTTP/1.1\r\nhost: LOCALHOST\r\n\r\n", "200 OK", ""),
            ("GET /echo HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200 OK", "/echo \n"),
            ("GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n", "404 Not Found", "there are /metrics and /health\n"),
            ("POST /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", "405 Method Not Allowed", "GET and HEAD only\n"),
            ("GET /echo HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", "403 Forbidden", "ask by address, or by localhost\n"),
            ("nonsense\r\n\r\n", "400 Bad Request", ""),
        ] {
            let answer = ask(&listener, request);
            let (head, found) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
            assert!(body.is_empty() || found == body, "{request:?}: {answer}");
            assert_eq!(request.starts_with("HEAD"), found.is_empty());
        }
        listener.stop();
    }

    #[test]
    fn a_request_without_an_end_is_refused() {
        let listener = start();
        let answer = ask(&listener, &format!("GET /echo HTTP/1.1\r\nX: {}", "x".repeat(LARGEST + 1024)));
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        listener.stop();
    }

    #[test]
    fn who_says_nothing_holds_up_nobody() {
        let listener = start();
        let silent: Vec<_> = (0..2 * ARRIVING)
            .map(|number| {
                let mut stream = TcpStream::connect(listener.address()).unwrap();
                stream.write_all(&b"GET /echo"[..number % 9]).unwrap();
                stream
            })
            .collect();
        let began = Instant::now();
        for _ in 0..3 {
            let answer = ask(&listener, "GET /echo HTTP/1.0\r\n\r\n");
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        }
        assert!(began.elapsed() < PATIENCE * silent.len() as u32 / 8);
        listener.stop();
    }

    #[test]
    fn a_request_may_arrive_in_parts() {
        let listener = start();
        let mut stream = TcpStream::connect(listener.address()).unwrap();
        for part in ["GET /e", "cho HTTP/1.1\r\nHo", "st: 127.0.0.1\r\n", "\r\n"] {
            stream.write_all(part.as_bytes()).unwrap();
            std::thread::sleep(GLANCE * 3);
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        listener.stop();
    }

    #[test]
    fn who_says_nothing_does_not_hold_up_the_end() {
        let listener = start();
        let mut silent = TcpStream::connect(listener.address()).unwrap();
        silent.write_all(b"GET /echo").unwrap();
        let began = Instant::now();
        listener.stop();
        assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    }

    #[test]
    fn an_address_is_free_again_when_the_listener_has_stopped() {
        let listener = start();
        let address = listener.address();
        assert_eq!(Listener::start(address, Arc::new(Echo)).map(|_| ()).unwrap_err().kind(), Kind::Io);
        listener.stop();
        listener.stop();
        Listener::start(address, Arc::new(Echo)).unwrap().stop();
    }
}
