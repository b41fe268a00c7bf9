//! A call to a running server, for commands that must go through it: the data folder belongs to the server alone.

use super::{Failed, failed, misused};
use clap::Args;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// A running server and a key to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Server {
    /// The running server, over plain http on this machine or network.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// An API key with the scope that the command needs.
    #[arg(long, env = "RINGBACK_KEY", hide_env_values = true)]
    key: String,
}

impl Server {
    /// Calls it. What it refuses is said in its own words.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, Failed> {
        let host = self
            .url
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'));
        let host = host.ok_or_else(|| {
            misused(format!(
                "--url begins with http://; for a server behind TLS, call {method} {path} with curl"
            ))
        })?;
        let body = body
            .map(serde_json::to_string)
            .transpose()?
            .unwrap_or_default();
        let mut stream = TcpStream::connect(host)
            .map_err(|error| failed(format!("no server answers at {}: {error}", self.url)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.key,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, text) = answer
            .split_once("\r\n\r\n")
            .unwrap_or((answer.as_str(), ""));
        let fine = head
            .split(' ')
            .nth(1)
            .is_some_and(|status| status.starts_with('2'));
        if fine {
            return Ok(text.to_owned());
        }
        let problem: Value = serde_json::from_str(text).unwrap_or_default();
        // Everything that is wrong with a configuration, each with its place.
        for error in problem["errors"].as_array().into_iter().flatten() {
            let says = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            let line = error["line"]
                .as_u64()
                .map_or_else(String::new, |line| format!(":{line}"));
            anstream::eprintln!(
                "{}{line}: {} {}",
                says("path"),
                says("message"),
                says("mend")
            );
        }
        Err(failed(
            problem["detail"].as_str().unwrap_or(head).to_owned(),
        ))
    }
}
