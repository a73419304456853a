//! Where metrics may be served: an address that only this machine reaches, unless more was asked for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Metrics;

/// The address that `metrics.listen` names; `None`: nothing is served. No name is looked up.
///
/// # Errors
/// A sentence that begins with the key.
pub fn address(metrics: &Metrics) -> Result<Option<SocketAddr>, String> {
    let text = metrics.listen.as_str();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || format!("metrics.listen: {text:?} is not an address and a port; write 127.0.0.1:9187, [::1]:9187 or localhost:9187");
    let address = match text.strip_prefix("localhost:") {
        Some(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().map_err(|_| wrong())?),
        None => text.parse::<SocketAddr>().map_err(|_| wrong())?,
    };
    if !address.ip().to_canonical().is_loopback() && !metrics.listen_anywhere {
        return Err(format!(
            "metrics.listen: other machines may reach {text}, and there is neither encryption nor a password; \
             listen on 127.0.0.1 or [::1], or set metrics.listen_anywhere = true"
        ));
    }
    Ok(Some(address))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn ask(listen: &str, anywhere: bool) -> Result<String, String> {
        let mut config = Config::new();
        (config.metrics.listen, config.metrics.listen_anywhere) = (listen.to_string(), anywhere);
        super::address(&config.metrics).map(|address| address.map_or(String::new(), |address| address.to_string()))
    }

    #[test]
    fn only_this_machine_is_served_unless_more_was_asked_for() {
        for (listen, address) in [
            ("", ""),
            ("localhost:0", "127.0.0.1:0"),
            ("127.0.0.1:9187", "127.0.0.1:9187"),
            ("127.9.9.9:1", "127.9.9.9:1"),
            ("[::1]:80", "[::1]:80"),
            ("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80"),
        ] {
            assert_eq!(ask(listen, false).as_deref(), Ok(address), "{listen}");
        }
        for listen in ["0.0.0.0:9187", "[::]:9187", "192.168.0.1:9187", "[::ffff:10.0.0.1]:80"] {
            assert!(ask(listen, false).unwrap_err().contains("listen_anywhere"), "{listen}");
            assert_eq!(ask(listen, true).as_deref(), Ok(listen));
        }
        for listen in ["9187", ":9187", "localhost", "example.org:80", "127.0.0.1:99999", "127.0.0.1", "http://127.0.0.1:80"] {
            assert!(ask(listen, true).unwrap_err().contains("is not an address"), "{listen}");
        }
    }
}
