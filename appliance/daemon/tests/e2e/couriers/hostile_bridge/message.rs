//! Requests and answers as they pass, header by header, so that each can be changed, doubled or kept.

use std::io::BufRead;

use serde_json::Value;

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Of one connection: written anew for the next one.
const OF_A_HOP: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

impl Request {
    pub(super) fn get(target: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers: vec![("host".to_owned(), "localhost".to_owned())],
            body: Vec::new(),
        }
    }

    pub(super) fn post(target: &str, body: &Value) -> Self {
        let mut request = Self::get(target).with("content-type", "application/json");
        "POST".clone_into(&mut request.method);
        request.body = body.to_string().into_bytes();
        request
    }

    /// The next request of a connection; none when it has ended.
    pub(super) fn read(from: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        from.read_exact(&mut body).ok()?;
        headers.retain(|(name, _)| !OF_A_HOP.contains(&name.as_str()));
        Some(Self {
            method,
            target,
            headers,
            body,
        })
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        let line = format!("{} {} HTTP/1.1", self.method, self.target);
        octets(line, &self.headers, &self.body)
    }

    pub(super) fn is(&self, method: &str, end: &str) -> bool {
        self.method == method && self.path().ends_with(end)
    }

    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(super) fn host(&self) -> &str {
        self.header("host").unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(one, _)| one == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The token of its session.
    pub(super) fn token(&self) -> &str {
        self.header("authorization").unwrap().split_once(' ').unwrap().1
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// With a header in the place of those of its name.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// With one more header.
    pub(super) fn and(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    pub(super) fn without(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.headers.retain(|(one, _)| one != name);
        other
    }

    pub(super) fn to(&self, method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            ..self.clone()
        }
    }

    /// With a change to its JSON.
    pub(super) fn changed(&self, change: impl FnOnce(&mut Value)) -> Self {
        let mut body = self.json();
        change(&mut body);
        self.with_body(body.to_string().as_bytes())
    }

    pub(super) fn with_body(&self, body: &[u8]) -> Self {
        Self {
            body: body.to_vec(),
            ..self.clone()
        }
    }
}

impl Answer {
    /// One of the bridge's own.
    pub(super) fn of(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    /// From all that came over a connection that has ended.
    pub(super) fn read(octets: &[u8]) -> Self {
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&octets[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| line.split_once(':').unwrap());
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let is_chunked = headers.iter().any(|(name, _)| name == "transfer-encoding");
        assert!(!is_chunked, "the appliance tells the length: {head}");
        Self {
            status: status.parse().unwrap(),
            headers: headers
                .into_iter()
                .filter(|(name, _)| !OF_A_HOP.contains(&name.as_str()))
                .collect(),
            body: octets[end + 4..].to_vec(),
        }
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        octets(format!("HTTP/1.1 {} x", self.status), &self.headers, &self.body)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status and code of an error.
    pub(super) fn told(&self) -> (u16, String) {
        let code = self.json()["error"]["code"].as_str().unwrap_or("none").to_owned();
        (self.status, code)
    }
}

/// The last message of a connection in one direction.
fn octets(line: String, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}"));
    let length = format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let lines: Vec<String> = std::iter::once(line).chain(headers).chain([length]).collect();
    [lines.join("\r\n").as_bytes(), body].concat()
}
