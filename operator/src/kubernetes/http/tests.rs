use std::cell::Cell;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

struct Fixed {
    ready: Cell<bool>,
}

impl Pages for Fixed {
    fn ready(&self) -> Result<(), &'static str> {
        if self.ready.get() {
            Ok(())
        } else {
            Err("not yet")
        }
    }

    fn metrics(&self) -> Option<String> {
        Some("# EOF\n".to_owned())
    }
}

/// Does something with a served port.
async fn served<T>(pages: &Fixed, work: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    let listener = listen(([127, 0, 0, 1], 0).into()).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::select! {
        never = serve(&listener, pages) => match never {},
        done = work(address) => done,
    }
}

/// The answer to some bytes: its first line, its kind and its body.
async fn asked(address: SocketAddr, bytes: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let kind = lines.find_map(|line| line.strip_prefix("content-type: "));
    Ok(format!(
        "{first}|{}|{}",
        kind.unwrap_or_default(),
        body.trim_end()
    ))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}

#[tokio::test]
async fn three_pages_and_nothing_else() {
    let pages = Fixed {
        ready: Cell::new(false),
    };
    served(&pages, async |address| {
        let asked = async |bytes: String| asked(address, &bytes).await.expect("an answer");
        let plain = "text/plain; charset=utf-8";
        assert_eq!(
            asked(get("/healthz")).await,
            format!("HTTP/1.1 200 OK|{plain}|ok")
        );
        let not_ready = format!("HTTP/1.1 503 Service Unavailable|{plain}|not yet");
        assert_eq!(asked(get("/readyz")).await, not_ready);
        pages.ready.set(true);
        assert_eq!(
            asked(get("/readyz?verbose")).await,
            format!("HTTP/1.1 200 OK|{plain}|ok")
        );
        let metrics = format!("HTTP/1.1 200 OK|{OPENMETRICS}|# EOF");
        assert_eq!(asked(get("/metrics")).await, metrics);
        let lost =
            format!("HTTP/1.1 404 Not Found|{plain}|/healthz, /readyz and /metrics are here");
        assert_eq!(asked(get("/")).await, lost);
        let refused = format!("HTTP/1.1 405 Method Not Allowed|{plain}|only GET and HEAD");
        assert_eq!(asked(get("/metrics").replace("GET", "POST")).await, refused);
        let head = asked(get("/healthz").replace("GET", "HEAD")).await;
        assert_eq!(head, format!("HTTP/1.1 200 OK|{plain}|"));
    })
    .await;
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_the_next_one_served() {
    let pages = Fixed {
        ready: Cell::new(true),
    };
    served(&pages, async |address| {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(2 * HEAD_BYTES));
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(2 * HEAD_LINES)
        );
        for bytes in [long, many, "\0\u{1}\r\n\r\n".to_owned()] {
            // The connection may be reset before all was sent.
            let answer = asked(address, &bytes).await.unwrap_or_default();
            assert!(!answer.contains(" 200 "), "{answer}");
        }
        assert!(
            asked(address, &get("/healthz"))
                .await
                .expect("an answer")
                .contains(" 200 ")
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_makes_room() {
    let pages = Fixed {
        ready: Cell::new(true),
    };
    served(&pages, async |address| {
        let mut silent = Vec::new();
        for _ in 0..2 * CONNECTIONS {
            silent.push(TcpStream::connect(address).await.expect("a connection"));
        }
        assert!(
            asked(address, &get("/healthz"))
                .await
                .expect("an answer")
                .contains(" 200 ")
        );
    })
    .await;
}
