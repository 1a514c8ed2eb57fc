//! A websocket, as a client has it (RFC 6455), for the raw protocol: bytes in and out. It sends a frame
//! for each write, pays no attention to where frames that come end, and knows no extension.

use std::io::{self, Read, Write};

use anyhow::{Result, ensure};

/// A key and the answer to it, those of the RFC: nothing here hangs on their being hard to guess.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// What a client puts over its bytes. It protects proxies, and there are none.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const LONGEST_ANSWER: usize = 8192;

/// A websocket over a connection.
#[derive(Debug)]
pub struct Websocket<S> {
    stream: S,
    /// Bytes of the frame that is being read which are still to come.
    left: u64,
}

impl<S: Read + Write> Websocket<S> {
    /// Asks for the websocket, with these headers besides those that it takes.
    ///
    /// # Errors
    /// When the server answers something else; with what it said.
    pub fn open(mut stream: S, host: &str, headers: &[(&str, &str)]) -> Result<Self> {
        let more: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let asked = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
        );
        stream.write_all(asked.as_bytes())?;
        stream.flush()?;
        let mut answer = Vec::new();
        let mut byte = [0];
        // Byte by byte: what follows the headers is a frame.
        while !answer.ends_with(b"\r\n\r\n") && answer.len() < LONGEST_ANSWER {
            if stream.read(&mut byte)? == 0 {
                break;
            }
            answer.extend(byte);
        }
        let answer = String::from_utf8_lossy(&answer);
        ensure!(
            answer.starts_with("HTTP/1.1 101 ") && answer.contains(ACCEPT),
            "it is no websocket: {answer:?}"
        );
        Ok(Self { stream, left: 0 })
    }

    fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let mut frame = vec![FINAL | kind];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length @ ..126), _) => frame.push(MASKED | length),
            (_, Ok(length)) => {
                frame.push(MASKED | 126);
                frame.extend(length.to_be_bytes());
            }
            _ => {
                frame.push(MASKED | 127);
                frame.extend(
                    u64::try_from(payload.len())
                        .unwrap_or(u64::MAX)
                        .to_be_bytes(),
                );
            }
        }
        frame.extend(MASK);
        frame.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.stream.write_all(&frame)?;
        self.stream.flush()
    }

    /// Reads the head of the next frame; gives its kind and how long it is.
    fn head(&mut self) -> io::Result<(u8, u64)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let [kind, length] = head;
        let length = match length {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length)?;
                u16::from_be_bytes(length).into()
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            length => length.into(),
        };
        Ok((kind & 0xf, length))
    }
}

impl<S: Read + Write> Read for Websocket<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let (kind, length) = self.head()?;
            if kind < CLOSE {
                self.left = length;
                continue;
            }
            let mut payload = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            self.stream.read_exact(&mut payload)?;
            match kind {
                PING => self.send(PONG, &payload)?,
                CLOSE => return Ok(0),
                _ => {}
            }
        }
        let room = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self
            .stream
            .read(buffer.get_mut(..room).unwrap_or_default())?;
        self.left -= u64::try_from(read).map_err(io::Error::other)?;
        Ok(read)
    }
}

impl<S: Read + Write> Write for Websocket<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(BINARY, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
