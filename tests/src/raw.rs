//! The protocol of NATS, line by line, for what stock clients refuse to send.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::bus::Credentials;
use crate::poll;
use crate::tls::{self, TlsStream};
use crate::websocket::Websocket;

const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Something that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message, with its headers before its text.
    Message {
        /// Its subject.
        subject: String,
        /// Its reply subject, or nothing.
        reply: String,
        /// Headers and text.
        text: String,
    },
    /// An error.
    Error(String),
}

/// What to publish.
#[derive(Clone, Copy, Debug, Default)]
pub struct Publish<'a> {
    /// Subject.
    pub subject: &'a str,
    /// Reply subject.
    pub reply: Option<&'a str>,
    /// Headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// Text.
    pub text: &'a str,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
    Websocket(Box<Websocket<TlsStream>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            Self::Websocket(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
            Self::Websocket(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
            Self::Websocket(stream) => stream.flush(),
        }
    }
}

/// A connection.
pub struct Raw {
    stream: BufReader<Stream>,
    waiting: Vec<u8>,
    subscriptions: usize,
}

impl Raw {
    /// Connects over TLS as the user.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn connect(credentials: &Credentials) -> Result<Self> {
        let address = address(credentials)?;
        let shown = credentials.certificate.as_ref();
        let shown = shown.map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        let (socket, _) = greeted(&address)?;
        let client = tls::client(&credentials.ca, shown)?;
        let stream = tls::upgrade(socket, host(&address), client)?;
        let login = json!({"user": credentials.username, "pass": credentials.password()?});
        Self::login(Stream::Tls(Box::new(stream)), login)
    }

    /// Connects by websocket as the user, to the first of the servers.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn connect_by_websocket(credentials: &Credentials) -> Result<Self> {
        let login = json!({"user": credentials.username, "pass": credentials.password()?});
        Self::log_in_by_websocket(credentials, login)
    }

    /// Connects by websocket with the user's trust, and logs in with these words of `CONNECT`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn log_in_by_websocket(credentials: &Credentials, login: Value) -> Result<Self> {
        Self::log_in_with_headers(credentials, &[], login)
    }

    /// The same, with these headers of HTTP as well.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn log_in_with_headers(
        credentials: &Credentials,
        headers: &[(&str, &str)],
        login: Value,
    ) -> Result<Self> {
        let websocket = websocket(credentials, headers)?;
        Self::login(Stream::Websocket(Box::new(websocket)), login)
    }

    /// Connects without TLS as the user.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn connect_plainly(address: &str, user: &str, password: &str) -> Result<Self> {
        let (socket, _) = greeted(address)?;
        Self::login(
            Stream::Plain(socket),
            json!({"user": user, "pass": password}),
        )
    }

    fn login(stream: Stream, mut login: Value) -> Result<Self> {
        if let Some(words) = login.as_object_mut() {
            for (word, value) in [("verbose", false), ("pedantic", false), ("headers", true)] {
                words.insert(word.to_owned(), value.into());
            }
            words.insert("protocol".to_owned(), 1.into());
        }
        let mut raw = Self {
            stream: BufReader::new(stream),
            waiting: Vec::new(),
            subscriptions: 0,
        };
        raw.waiting.extend(format!("CONNECT {login}\r\n").bytes());
        for heard in raw.flush()? {
            if let Heard::Error(refusal) = heard {
                bail!("{refusal}");
            }
        }
        Ok(raw)
    }

    /// Publishes, at the next flush.
    pub fn publish(&mut self, publish: Publish<'_>) {
        let Publish {
            subject,
            reply,
            headers,
            text,
        } = publish;
        let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
        if headers.is_empty() {
            let size = text.len();
            self.waiting
                .extend(format!("PUB {subject} {reply}{size}\r\n{text}\r\n").bytes());
            return;
        }
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let block = format!("NATS/1.0\r\n{lines}\r\n");
        let (size, all) = (block.len(), block.len() + text.len());
        self.waiting
            .extend(format!("HPUB {subject} {reply}{size} {all}\r\n{block}{text}\r\n").bytes());
    }

    /// Subscribes, at the next flush.
    pub fn subscribe(&mut self, subject: &str, group: Option<&str>) {
        self.subscriptions += 1;
        let group = group.map(|group| format!("{group} ")).unwrap_or_default();
        let number = self.subscriptions;
        self.waiting
            .extend(format!("SUB {subject} {group}{number}\r\n").bytes());
    }

    /// Sends what waits and returns everything that the server sent until it had taken all of it.
    ///
    /// # Errors
    /// When the server closes the connection or says nothing.
    pub fn flush(&mut self) -> Result<Vec<Heard>> {
        self.waiting.extend(b"PING\r\n");
        let waiting = std::mem::take(&mut self.waiting);
        self.send(&waiting)?;
        let mut heard = Vec::new();
        loop {
            let line = self.line()?;
            let mut words = line.split_ascii_whitespace();
            match words
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase()
                .as_str()
            {
                "PONG" => return Ok(heard),
                "PING" => self.send(b"PONG\r\n")?,
                "MSG" | "HMSG" => heard.push(self.message(&line)?),
                "-ERR" => heard.push(Heard::Error(line)),
                _ => {}
            }
        }
    }

    /// Sends what waits and listens until a message comes.
    ///
    /// # Errors
    /// When none does.
    pub fn next_message(&mut self) -> Result<Heard> {
        poll::until("a message", SILENCE_LIMIT, || {
            let heard = self.flush()?;
            Ok(heard
                .into_iter()
                .find(|heard| matches!(heard, Heard::Message { .. })))
        })
    }

    fn message(&mut self, line: &str) -> Result<Heard> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let size = words.last().and_then(|size| size.parse::<usize>().ok());
        let mut text = vec![0; size.context("a message without a size")? + 2];
        self.stream.read_exact(&mut text)?;
        // MSG subject sid [reply] size; HMSG subject sid [reply] size-of-headers size
        let fixed = if line.starts_with('H') { 5 } else { 4 };
        let reply = words.get(3).filter(|_| words.len() > fixed);
        Ok(Heard::Message {
            subject: words.get(1).copied().unwrap_or_default().to_owned(),
            reply: reply.copied().unwrap_or_default().to_owned(),
            text: String::from_utf8_lossy(&text).trim_end().to_owned(),
        })
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        Ok(self.stream.get_mut().flush()?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line)?;
        ensure!(read > 0, "the server closed the connection");
        Ok(line.trim_end().to_owned())
    }
}

/// Whether the server refused this among what it sent: `Publish to "x"` or `Subscription to "x"`.
pub fn is_refused(heard: &[Heard], what: &str) -> bool {
    heard.iter().any(|heard| match heard {
        Heard::Error(text) => text.contains(&format!("Permissions Violation for {what}")),
        Heard::Message { .. } => false,
    })
}

/// Opens a connection that waits for an answer only so long.
///
/// # Errors
/// When nobody listens.
pub fn reach(address: &str) -> Result<TcpStream> {
    let socket = TcpStream::connect(address).with_context(|| format!("cannot reach {address}"))?;
    socket.set_read_timeout(Some(SILENCE_LIMIT))?;
    socket.set_write_timeout(Some(SILENCE_LIMIT))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Opens a connection and reads the server's first line.
///
/// # Errors
/// When nobody listens or the server says nothing.
pub fn greeted(address: &str) -> Result<(TcpStream, Value)> {
    let socket = reach(address)?;
    let mut first = Vec::new();
    let mut byte = [0];
    // Byte by byte: what follows the line belongs to TLS.
    while byte != *b"\n" && (&socket).read(&mut byte)? > 0 {
        first.extend(byte);
    }
    Ok((socket, greeting(&String::from_utf8(first)?)?))
}

/// A websocket to the first of the servers; nobody is logged in yet.
fn websocket(credentials: &Credentials, headers: &[(&str, &str)]) -> Result<Websocket<TlsStream>> {
    let (address, stream) = websocket_tls(credentials)?;
    Websocket::open(stream, &address, headers)
}

/// The first line that the first of the servers says by websocket.
///
/// # Errors
/// When it says nothing.
pub fn greeted_by_websocket(credentials: &Credentials) -> Result<Value> {
    let mut line = String::new();
    BufReader::new(websocket(credentials, &[])?).read_line(&mut line)?;
    greeting(&line)
}

fn greeting(line: &str) -> Result<Value> {
    let info = line
        .strip_prefix("INFO ")
        .with_context(|| format!("not a NATS server: {line}"))?;
    Ok(serde_json::from_str(info)?)
}

/// A connection over TLS to the port for websockets of the first of the servers, and its address; nobody
/// has asked for a websocket yet.
///
/// # Errors
/// When the server refuses.
pub fn websocket_tls(credentials: &Credentials) -> Result<(String, TlsStream)> {
    let address = authority(credentials.websocket_urls.first())?;
    let shown = credentials.certificate.as_ref();
    let shown = shown.map(|(certificate, key)| (certificate.as_path(), key.as_path()));
    let client = tls::client(&credentials.ca, shown)?;
    let stream = tls::upgrade(reach(&address)?, host(&address), client)?;
    Ok((address, stream))
}

/// The certificate that the server of the first URL for websockets shows.
///
/// # Errors
/// When it shows none that the user trusts.
pub fn certificate_shown_by_websocket(credentials: &Credentials) -> Result<Vec<u8>> {
    leaf(&websocket_tls(credentials)?.1)
}

/// The certificate that the server of the first URL shows.
///
/// # Errors
/// When it shows none that the user trusts.
pub fn certificate_shown(credentials: &Credentials) -> Result<Vec<u8>> {
    let address = address(credentials)?;
    let (socket, _) = greeted(&address)?;
    let client = tls::client(&credentials.ca, None)?;
    leaf(&tls::upgrade(socket, host(&address), client)?)
}

fn leaf(stream: &TlsStream) -> Result<Vec<u8>> {
    let chain = stream.conn.peer_certificates().unwrap_or_default();
    let leaf = chain.first().context("the server shows no certificate")?;
    Ok(leaf.as_ref().to_vec())
}

fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Host and port of the first URL.
///
/// # Errors
/// When there is none.
pub fn address(credentials: &Credentials) -> Result<String> {
    authority(credentials.urls.first())
}

fn authority(url: Option<&String>) -> Result<String> {
    let url = url.context("no URL")?;
    Ok(url
        .split_once("://")
        .map_or(url.as_str(), |(_, address)| address)
        .to_owned())
}
