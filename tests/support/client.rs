//! Speaking HTTP to a service.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

/// What a service answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// What is no JSON is a string.
    pub(crate) body: Value,
}

impl Answer {
    /// A header's value, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(has, _)| has == name).map(|(_, value)| value.as_str())
    }
}

/// A keep-alive HTTP/1.1 connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Status and body. An error means that the server went away: whether the request took effect is unknown.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&Value>,
    ) -> std::io::Result<(u16, Value)> {
        self.exchange(method, path, headers, body).map(|answer| (answer.status, answer.body))
    }

    /// As [`Client::send`], with the answer's headers.
    pub(crate) fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&Value>,
    ) -> std::io::Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        self.stream.get_mut().write_all(format!("{head}{body}").as_bytes())?;
        let gone = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(gone)?;
        let mut answer = Answer { status, headers: Vec::new(), body: Value::Null };
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(gone());
            }
            match line.trim().split_once(':') {
                Some((name, value)) => {
                    answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                }
                None => break,
            }
        }
        let length = answer.header("content-length").map_or(Ok(0), str::parse).map_err(|_| gone())?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        answer.body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        Ok(answer)
    }

    /// A GET that must be answered with 200; gives the whole envelope.
    pub(crate) fn get(&mut self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, "", None).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}
