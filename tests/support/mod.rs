//! Driving the real binary from tests: start, talk, kill, stop.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a test waits for something that has to happen before it gives up. Generous: it bounds a hang, nothing else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running `holdfast`, killed when dropped.
pub(crate) struct Holdfast {
    child: Child,
    heard: Heard,
    pub(crate) orders: SocketAddr,
    pub(crate) products: SocketAddr,
}

/// What it has said so far on standard error.
#[derive(Clone, Default)]
struct Heard(Arc<(Mutex<Vec<String>>, Condvar)>);

/// How it ended, and all that it said on standard error.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

/// `holdfast` with a data folder, free ports and an empty catalogue; nothing of the caller's environment or folder leaks
/// in.
pub(crate) fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .env_clear()
        .current_dir(data)
        .env("DATA_DIR", data)
        .env("ORDERS_ADDR", "127.0.0.1:0")
        .env("PRODUCTS_ADDR", "127.0.0.1:0")
        .env("SAMPLE_DATA", "false")
        .stdin(Stdio::null());
    command
}

/// Runs it until it ends by itself; gives how, and what it said on standard error.
pub(crate) fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended { status: output.status, said: String::from_utf8_lossy(&output.stderr).into_owned() }
}

impl Holdfast {
    /// Starts it and waits until it says that it is ready.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_as(&mut command(data))
    }

    /// Starts what [`command`] made.
    pub(crate) fn start_as(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let heard = Heard::default();
        let (listener, stderr) = (heard.clone(), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || listener.listen(stderr));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut orders, mut products) = (None, None);
        loop {
            let Some(line) = lines.next() else {
                child.wait().unwrap();
                panic!("holdfast ended before it was ready: {}", heard.all());
            };
            let Ok(said) = serde_json::from_str::<Value>(&line.unwrap()) else { continue };
            match (said["event"].as_str(), said["service"].as_str()) {
                (Some("listening"), Some("orders")) => {
                    orders = said["addr"].as_str().map(|a| a.parse().unwrap());
                }
                (Some("listening"), Some("products")) => {
                    products = said["addr"].as_str().map(|a| a.parse().unwrap());
                }
                (Some("ready"), _) => break,
                _ => {}
            }
        }
        // Whatever else it prints is read away, so that a full pipe never stops it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, heard, orders: orders.unwrap(), products: products.unwrap() }
    }

    /// Waits until it has said, on standard error, a line with `text`; gives the line.
    pub(crate) fn hear(&self, text: &str) -> String {
        let (lines, more) = &*self.heard.0;
        let quiet = |lines: &mut Vec<String>| !lines.iter().any(|l| l.contains(text));
        let (lines, _) = more.wait_timeout_while(lines.lock().unwrap(), PATIENCE, quiet).unwrap();
        match lines.iter().find(|l| l.contains(text)) {
            Some(line) => line.clone(),
            None => panic!("never said {text:?}: {lines:#?}"),
        }
    }

    /// `kill -9`, and waits until the process is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it ended by itself.
    pub(crate) fn wait(mut self) -> Ended {
        let status = self.child.wait().unwrap();
        Ended { status, said: self.heard.all() }
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn stop(self) {
        self.terminate();
        let ended = self.wait();
        assert!(ended.status.success(), "{}: {}", ended.status, ended.said);
    }
}

impl Heard {
    const END: &str = "(end of standard error)";

    fn listen(&self, stderr: impl BufRead) {
        let lines = stderr.lines().map_while(Result::ok).chain([Self::END.to_owned()]);
        for line in lines {
            self.0.0.lock().unwrap().push(line);
            self.0.1.notify_all();
        }
    }

    /// Everything, once it has ended.
    fn all(&self) -> String {
        let goes_on = |lines: &mut Vec<String>| lines.last().is_none_or(|l| l != Self::END);
        let (lines, _) = self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), PATIENCE, goes_on).unwrap();
        lines.join("\n")
    }
}

impl Drop for Holdfast {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
        let mut length = 0;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(gone());
            }
            let header = line.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| gone())?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// A GET that must be answered with 200; gives the whole envelope.
    pub(crate) fn get(&mut self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, "", None).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

/// The quick start's order, of these products and quantities at 29.99 each.
pub(crate) fn order(items: &[(&str, u32)]) -> Value {
    let total: u32 = items.iter().map(|(_, quantity)| 2_999 * quantity).sum();
    let items: Vec<Value> = items
        .iter()
        .map(|(id, quantity)| json!({"productId": id, "productName": "Test Product", "quantity": quantity, "price": 29.99}))
        .collect();
    let total: Value = serde_json::from_str(&format!("{}.{:02}", total / 100, total % 100)).unwrap();
    json!({
        "userId": "test-user-123",
        "items": items,
        "totalAmount": total,
        "shippingAddress": {"street": "123 Test St", "city": "Test City", "state": "TS", "zipCode": "12345", "country": "USA"},
        "paymentMethod": "credit_card",
    })
}

/// Makes a product with this much stock; gives its id.
pub(crate) fn product(client: &mut Client, name: &str, stock: u32) -> String {
    let body = json!({"name": name, "description": name, "price": 29.99, "category": "test", "stock": stock});
    let (status, answer) = client.send("POST", "/api/v1/products", "", Some(&body)).unwrap();
    assert_eq!(status, 201, "{answer}");
    answer["data"]["product"]["_id"].as_str().unwrap().to_owned()
}

/// Every order there is, by pages.
pub(crate) fn all_orders(client: &mut Client) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/api/v1/orders?limit=200{cursor}"));
        all.extend(page["data"]["orders"].as_array().unwrap().iter().cloned());
        match page["meta"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// An order once its stock is decided.
pub(crate) fn decided(client: &mut Client, id: &str) -> Value {
    until(client, id, |order| order["stockStatus"] != "pending")
}

/// An order once it is so.
#[allow(clippy::disallowed_methods, reason = "bounds a hang")]
pub(crate) fn until(client: &mut Client, id: &str, so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let order = client.get(&format!("/api/v1/orders/{id}"))["data"]["order"].take();
        if so(&order) {
            return order;
        }
        assert!(started.elapsed() < PATIENCE, "{order} stays so");
        std::thread::yield_now();
    }
}

/// Places an order; gives its id.
pub(crate) fn place(client: &mut Client, items: &[(&str, u32)]) -> String {
    let (status, answer) = client.send("POST", "/api/v1/orders", "", Some(&order(items))).unwrap();
    assert_eq!(status, 201, "{answer}");
    answer["data"]["order"]["_id"].as_str().unwrap().to_owned()
}

/// Runs `holdfast audit`; gives its exit and what it printed.
pub(crate) fn audit(data: &Path) -> (ExitStatus, String) {
    let output = command(data).arg("audit").output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status, text)
}

/// A small generator of numbers; the seed is printed, so that a failure can be repeated.
pub(crate) struct Dice(u64);

impl Dice {
    /// Seeded by `HOLDFAST_TEST_SEED`, or by the time.
    #[allow(clippy::disallowed_methods, reason = "a seed for a test, and printed")]
    pub(crate) fn new() -> Self {
        let seed =
            std::env::var("HOLDFAST_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                u64::from(now.subsec_nanos()) | 1
            });
        println!("HOLDFAST_TEST_SEED={seed}");
        Self(seed)
    }

    /// With a given seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to below `below`.
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}
