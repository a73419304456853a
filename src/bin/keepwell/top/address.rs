//! Where a process shows its metrics: a host and a port.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// The port where none is given.
const PORT: u16 = 9187;

/// As it was given, without what is the same for all: `http://` and the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// The addresses of the host, to be tried in turn. Blocks while names are looked up.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let found = (self.host.trim_matches(['[', ']']), self.port).to_socket_addrs()?;
        Ok(found.collect())
    }
}

impl FromStr for Address {
    type Err = String;

    /// `127.0.0.1:9187`, `localhost`, `[::1]:9187`, `http://127.0.0.1:9187/metrics`.
    fn from_str(text: &str) -> Result<Address, String> {
        let place = text.strip_prefix("http://").unwrap_or(text);
        let place = place.split('/').next().unwrap_or_default();
        let colon = place.rfind(':').filter(|colon| !place[*colon..].contains(']'));
        let (host, port) = match colon {
            Some(colon) => (&place[..colon], place[colon + 1..].parse().ok().filter(|port| *port > 0)),
            None => (place, Some(PORT)),
        };
        let bare = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        match port {
            Some(port) if !host.is_empty() && !bare => Ok(Address { host: host.to_string(), port }),
            _ => Err("a host and a port are wanted, such as 127.0.0.1:9187 or [::1]:9187".to_string()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, shown) in [
            ("127.0.0.1:9187", "127.0.0.1:9187"),
            ("localhost", "localhost:9187"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]:9187"),
            ("http://10.0.0.1:1/metrics", "10.0.0.1:1"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for text in ["", ":9187", "host:", "host:0", "host:65536", "::1", "https://host:1"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
