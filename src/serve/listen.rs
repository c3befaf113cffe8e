//! Where to listen: a name or an address, and a port.

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::str::FromStr;

use super::token;
use crate::exit_code::Stop;

/// `127.0.0.1:8790`, `[::1]:8790`, `localhost:8790`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    host: String,
    port: u16,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "give ADDRESS:PORT, e.g. 127.0.0.1:8790, localhost:8790 or [::1]:8790";
        if text.contains("://") {
            return Err(format!("an address has no scheme; {wanted}"));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("the port is missing; {wanted}"))?;
        let port = port.parse().map_err(|_| format!("{port:?} is not a port (0 to 65535); {wanted}"))?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(inside)) => inside,
            Some(None) => return Err(format!("a bracket is not closed; {wanted}")),
            None if host.contains(':') => return Err(format!("an IPv6 address stands in brackets; {wanted}")),
            None => host,
        };
        if host.is_empty() {
            return Err(format!("the address is missing; {wanted}"));
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Place {
    /// Listens at the first of the addresses that the name has.
    ///
    /// # Errors
    /// The name has no address, an address can be reached from elsewhere and there is no token, or none can be had.
    pub fn listen(&self, token: bool) -> Result<TcpListener, Stop> {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs().map_err(|error| {
            Stop::Usage(format!(
                "--listen {self}: the name cannot be resolved: {error}; give an address, e.g. 127.0.0.1"
            ))
        })?;
        let addresses: Vec<SocketAddr> = addresses.collect();
        if let Some(open) = addresses.iter().find(|address| !is_local(address.ip()))
            && !token
        {
            let what =
                if self.host == open.ip().to_string() { String::new() } else { format!(" is {} and", open.ip()) };
            return Err(Stop::Usage(format!(
                "--listen {self}{what} can be reached from elsewhere and there is no token; set {}, or listen on 127.0.0.1",
                token::VARIABLE
            )));
        }
        TcpListener::bind(addresses.as_slice()).map_err(|error| {
            Stop::Usage(format!("cannot listen on {self}: {error}; choose another address with --listen"))
        })
    }
}

/// Whether only this machine reaches an address.
fn is_local(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_name_or_an_address_with_a_port() {
        for text in ["127.0.0.1:8790", "localhost:8790", "[::1]:0", "some-host.example:65535", "[fe80::1%2]:80"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        let table = [
            ("localhost", "port is missing"),
            (":8790", "address is missing"),
            ("[]:8790", "address is missing"),
            ("localhost:", "not a port"),
            ("localhost:http", "not a port"),
            ("localhost:65536", "not a port"),
            ("::1:8790", "brackets"),
            ("[::1:8790", "not closed"),
            ("http://localhost:8790", "no scheme"),
        ];
        for (text, why) in table {
            let error = text.parse::<Place>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_local_name_needs_no_token_and_an_address_that_others_reach_does() {
        for local in ["localhost:0", "127.0.0.1:0", "127.1.2.3:0"] {
            let listener = local.parse::<Place>().unwrap().listen(false).unwrap();
            assert!(listener.local_addr().unwrap().port() > 0);
        }
        for open in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0", "192.0.2.1:0"] {
            let error = open.parse::<Place>().unwrap().listen(false).unwrap_err();
            assert!(error.to_string().contains("ASSAY_TOKEN"), "{open}: {error}");
        }
        assert!("0.0.0.0:0".parse::<Place>().unwrap().listen(true).is_ok());
        let error = "no-such-host.invalid:0".parse::<Place>().unwrap().listen(true).unwrap_err();
        assert!(error.to_string().contains("cannot be resolved"), "{error}");
    }

    #[test]
    fn the_loopback_of_the_older_protocol_is_local_in_the_newer_too() {
        assert!(is_local("::ffff:127.0.0.1".parse().unwrap()));
        assert!(is_local("::1".parse().unwrap()));
        assert!(!is_local("::".parse().unwrap()));
    }
}
