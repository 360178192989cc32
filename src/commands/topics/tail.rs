//! `holdfast topics tail`.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use holdfast_contract::{OrderId, OrderNumber};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Service, ServiceArgs, Stop, TOPICS, ask_as, complain, encode};
use crate::commands::operator::{CallError, one_line};

/// Seconds that the service waits for a message before it answers that there is none.
const WAIT: u16 = 20;
/// Between two attempts while the service is away.
const PAUSE: Duration = Duration::from_secs(1);

/// What is printed.
#[derive(Args, Clone, Debug)]
pub struct TailArgs {
    /// The topic's name.
    #[arg(value_name = "TOPIC")]
    pub topic: String,

    /// How many of the newest messages to begin with.
    #[arg(long, short = 'n', default_value_t = 10, value_name = "COUNT")]
    pub lines: usize,

    /// Begin with the oldest message that is kept.
    #[arg(long, conflicts_with = "lines")]
    pub from_beginning: bool,

    /// End after this many messages.
    #[arg(long, value_name = "COUNT")]
    pub max: Option<usize>,

    /// End when there is no more, instead of waiting.
    #[arg(long)]
    pub no_follow: bool,

    /// Only this partition.
    #[arg(long, value_name = "NUMBER")]
    pub partition: Option<u16>,

    /// Only messages with this key; an order's number works too.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,

    /// Only messages with this text in key or payload, in upper or lower case.
    #[arg(long, value_name = "TEXT")]
    pub grep: Option<String>,
}

/// A page, with the messages as they came.
#[derive(Deserialize)]
struct Page {
    data: Messages,
    meta: Meta,
}

#[derive(Deserialize)]
struct Messages {
    messages: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    next_cursor: Option<String>,
    follow_cursor: Option<String>,
}

/// What is looked at of a message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'m> {
    timestamp: String,
    topic: String,
    partition: u16,
    offset: u64,
    key: String,
    event_type: Option<String>,
    #[serde(borrow)]
    payload: &'m RawValue,
    payload_encoding: String,
}

impl Message<'_> {
    /// The payload, on one line if it is JSON.
    fn text(&self) -> String {
        match self.payload_encoding.as_str() {
            "json" => one_line(self.payload.get()),
            _ => serde_json::from_str(self.payload.get()).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { timestamp, topic, partition, offset, .. } = self;
        let key = if self.key.is_empty() { "-" } else { &self.key };
        let kind = self.event_type.as_deref().unwrap_or("-");
        write!(f, "{timestamp} {topic}/{partition}@{offset} {key} {kind} {}", self.text())
    }
}

/// Which messages are printed, and how.
struct Printer<'a> {
    json: bool,
    key: Option<String>,
    grep: Option<String>,
    left: Option<usize>,
    out: &'a mut (dyn Write + Send),
}

impl Printer<'_> {
    fn takes(&self, message: &Message<'_>) -> bool {
        let has = |text: &str, part: &str| text.to_lowercase().contains(part);
        self.key.as_ref().is_none_or(|key| message.key == *key)
            && self.grep.as_ref().is_none_or(|part| has(&message.text(), part) || has(&message.key, part))
    }

    /// Prints those that are asked for; says whether more are wanted.
    fn print<'m>(&mut self, messages: impl Iterator<Item = &'m RawValue>) -> Result<bool, Stop> {
        for raw in messages {
            if self.left == Some(0) {
                break;
            }
            let message = read(raw)?;
            if !self.takes(&message) {
                continue;
            }
            if self.json {
                writeln!(self.out, "{}", one_line(raw.get()))?;
            } else {
                writeln!(self.out, "{message}")?;
            }
            self.left = self.left.map(|left| left - 1);
        }
        self.out.flush()?;
        Ok(self.left != Some(0))
    }
}

fn read(raw: &RawValue) -> Result<Message<'_>, std::io::Error> {
    Ok(serde_json::from_str(raw.get())?)
}

pub(super) async fn run(
    services: &ServiceArgs,
    args: &TailArgs,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    let key = args.key.as_ref().map(|key| match key.parse::<OrderNumber>() {
        Ok(number) => OrderId::from(number).to_string(),
        Err(_) => key.clone(),
    });
    let grep = args.grep.as_ref().map(|text| text.to_lowercase());
    let printer = Printer { json: services.json, key, grep, left: args.max, out };
    tokio::select! {
        done = follow(services, args, printer) => done,
        // The way to end it.
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn follow(services: &ServiceArgs, args: &TailArgs, mut printer: Printer<'_>) -> Result<(), Stop> {
    let base = format!("{TOPICS}/{}/messages?limit=200", encode(&args.topic));
    let base = match args.partition {
        Some(partition) => format!("{base}&partition={partition}"),
        None => base,
    };
    let (mut service, mut page): (_, Page) = if args.from_beginning {
        ask_as(services, &format!("{base}&from=oldest")).await?
    } else {
        let (mut service, first): (_, Page) = ask_as(services, &format!("{base}&from=newest")).await?;
        let follow_cursor = first.meta.follow_cursor.clone();
        let newest = newest(&mut service, &base, first, args.lines, &printer).await?;
        if !printer.print(newest.iter().rev().map(|raw| &**raw))? || args.no_follow {
            return Ok(());
        }
        let meta = Meta { next_cursor: None, follow_cursor };
        (service, Page { data: Messages { messages: Vec::new() }, meta })
    };
    loop {
        if !printer.print(page.data.messages.iter().map(|raw| &**raw))? {
            return Ok(());
        }
        if args.no_follow && page.meta.next_cursor.is_none() {
            return Ok(());
        }
        let Some(cursor) = page.meta.follow_cursor.as_deref().map(encode) else { return Ok(()) };
        let wait = if args.no_follow { 0 } else { WAIT };
        page = next(&mut service, &base, &cursor, wait).await?;
    }
}

/// The newest messages that are asked for, the newest first.
async fn newest(
    service: &mut Service,
    base: &str,
    first: Page,
    count: usize,
    printer: &Printer<'_>,
) -> Result<Vec<Box<RawValue>>, Stop> {
    let mut found = Vec::new();
    let mut page = first;
    loop {
        for raw in page.data.messages {
            if found.len() < count && printer.takes(&read(&raw)?) {
                found.push(raw);
            }
        }
        if found.len() == count {
            return Ok(found);
        }
        let Some(cursor) = page.meta.next_cursor.as_deref().map(encode) else { return Ok(found) };
        page = service.get_as(&format!("{base}&from=newest&cursor={cursor}")).await?;
    }
}

/// What comes after `cursor`. A service that goes away is waited for; a topic that was made anew is read from its
/// beginning.
async fn next(service: &mut Service, base: &str, cursor: &str, wait: u16) -> Result<Page, CallError> {
    let mut said = false;
    loop {
        let path = format!("{base}&from=oldest&wait={wait}&cursor={cursor}");
        match service.get_as(&path).await {
            Err(error) if error.code() == Some("INVALID_CURSOR") => {
                complain(&"the topic was made anew; reading it from its beginning");
                return service.get_as(&format!("{base}&from=oldest")).await;
            }
            Err(error) if error.is_away() || error.code() == Some("SERVICE_UNAVAILABLE") => {
                if !said {
                    complain(&format!("waiting: {error}"));
                    said = true;
                }
                // Back-off, not synchronisation.
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn only_what_is_asked_for_is_printed() {
        let message = |offset: u64, key: &str, payload: &str, encoding: &str| {
            let text = format!(
                r#"{{"timestamp":"T","topic":"t","partition":0,"offset":{offset},"key":"{key}","eventType":null,
                    "payload":{payload},"payloadEncoding":"{encoding}"}}"#
            );
            RawValue::from_string(text).unwrap()
        };
        let messages = [
            message(0, "a", "{\"z\":1.50,\n \"orderId\": \"X-1\"}", "json"),
            message(1, "b", "\"broken {\"", "text"),
            message(2, "", "\"\"", "text"),
        ];
        let print = |key: Option<&str>, grep: Option<&str>, left, json| {
            let mut out = Vec::new();
            let (key, grep) = (key.map(str::to_owned), grep.map(str::to_owned));
            let mut printer = Printer { json, key, grep, left, out: &mut out };
            let more = printer.print(messages.iter().map(|raw| &**raw)).unwrap();
            (String::from_utf8(out).unwrap(), more)
        };
        assert_eq!(print(Some("b"), None, None, false), ("T t/0@1 b - broken {\n".to_owned(), true));
        assert_eq!(print(None, Some("x-1"), None, false).0, "T t/0@0 a - {\"z\":1.50,\"orderId\":\"X-1\"}\n");
        assert_eq!(print(None, Some("nowhere"), None, false).0, "");
        let (two, more) = print(None, None, Some(2), false);
        assert_eq!((two.lines().count(), more), (2, false));
        // A line for each, whatever is in it.
        let (all, _) = print(None, None, None, true);
        assert_eq!(all.lines().count(), 3);
        assert!(all.starts_with("{\"timestamp\":\"T\"") && all.contains("1.50"), "{all}");
        assert_eq!(print(Some(""), None, None, false).0, "T t/0@2 - - \n");
    }
}
