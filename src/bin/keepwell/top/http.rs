//! One GET over HTTP/1.1, as much of it as a page of metrics needs. <https://www.rfc-editor.org/rfc/rfc9112>

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::address::Address;

/// Bytes of an answer at most.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The answer's body. Blocks no longer than `patience`, however slowly the other side speaks; looking the name up comes on top.
///
/// # Errors
/// Those of the connection; [`ErrorKind::TimedOut`]; [`ErrorKind::InvalidData`] for an answer that is no success or not whole.
pub fn get(address: &Address, path: &str, patience: Duration) -> io::Result<String> {
    let addresses = address.resolve()?;
    let deadline = Instant::now() + patience;
    let mut line = Line { stream: connect(&addresses, deadline)?, deadline };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/plain;version=0.0.4\r\nConnection: close\r\n\r\n");
    line.stream.set_write_timeout(Some(line.remaining()?))?;
    line.stream.write_all(request.as_bytes())?;
    answer(&mut BufReader::new(line.take(LARGEST)))
}

fn connect(addresses: &[std::net::SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, remaining(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A connection that ends at a moment.
struct Line {
    stream: TcpStream,
    deadline: Instant,
}

impl Line {
    fn remaining(&self) -> io::Result<Duration> {
        remaining(self.deadline)
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.remaining()?))?;
        // What systems call an unfinished read differs.
        self.stream.read(buffer).map_err(|error| if error.kind() == ErrorKind::WouldBlock { late() } else { error })
    }
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or_else(late)
}

fn late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "out of time")
}

/// How the length of a body is told.
enum Length {
    Bytes(u64),
    Chunks,
    /// By the end of the connection.
    Open,
}

fn answer(reader: &mut impl BufRead) -> io::Result<String> {
    let status = text_line(reader)?;
    let code = status.strip_prefix("HTTP/1.").and_then(|rest| rest.split_once(' ')).map(|(_, code)| code);
    let code = code.ok_or_else(|| wrong("the answer is not HTTP"))?;
    if !code.starts_with("200") {
        return Err(wrong(format!("the answer is {code}")));
    }
    let mut body = Vec::new();
    match length(reader)? {
        Length::Bytes(length) => {
            reader.take(length).read_to_end(&mut body)?;
            if (body.len() as u64) < length {
                return Err(wrong("the answer ends too early"));
            }
        }
        Length::Chunks => while chunk(reader, &mut body)? {},
        Length::Open => drop(reader.read_to_end(&mut body)?),
    }
    String::from_utf8(body).map_err(|_| wrong("the answer is not UTF-8"))
}

/// Reads the head to its end.
fn length(reader: &mut impl BufRead) -> io::Result<Length> {
    let mut length = Length::Open;
    loop {
        let line = text_line(reader)?.to_ascii_lowercase();
        match line.split_once(':') {
            _ if line.is_empty() => return Ok(length),
            Some(("transfer-encoding", value)) if value.contains("chunked") => length = Length::Chunks,
            Some(("content-length", value)) if !matches!(length, Length::Chunks) => {
                length = Length::Bytes(value.trim().parse().map_err(|_| wrong("the answer has a length that is no number"))?);
            }
            _ => {}
        }
    }
}

/// One chunk; `false` is the last one.
fn chunk(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<bool> {
    let line = text_line(reader)?;
    let size = line.split(';').next().unwrap_or_default().trim();
    let size = u64::from_str_radix(size, 16).map_err(|_| wrong("the answer has a part without a length"))?;
    let before = body.len() as u64;
    reader.take(size).read_to_end(body)?;
    if body.len() as u64 - before < size {
        return Err(wrong("the answer ends too early"));
    }
    text_line(reader)?;
    Ok(size > 0)
}

/// A line without its end.
fn text_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(wrong("the answer ends too early"));
    }
    Ok(line.trim_end().to_string())
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests {
    use super::answer;

    fn body(text: &str) -> Result<String, String> {
        answer(&mut text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_body_ends_by_its_length_its_chunks_or_the_connection() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd").unwrap(), "abc");
        assert_eq!(body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n").unwrap(), "abc");
        assert_eq!(body("HTTP/1.0 200 OK\r\n\r\nabc").unwrap(), "abc");
    }

    #[test]
    fn what_is_no_whole_success_is_an_error() {
        for (text, says) in [
            ("HTTP/1.1 404 Not Found\r\n\r\n", "404 Not Found"),
            ("SSH-2.0-OpenSSH\r\n", "not HTTP"),
            ("", "too early"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "too early"),
            ("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc", "no number"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "too early"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nabc?", "without a length"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", "too early"),
        ] {
            let error = body(text).unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
