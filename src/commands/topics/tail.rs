//! `holdfast topics tail`.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use holdfast_contract::{OrderId, OrderNumber};
use serde_json::Value;

use super::{Service, ServiceArgs, Stop, TOPICS, ask, complain, encode, entries, text};

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

/// Which messages are printed, and how.
struct Printer<'a> {
    json: bool,
    key: Option<String>,
    grep: Option<String>,
    left: Option<usize>,
    out: &'a mut (dyn Write + Send),
}

impl Printer<'_> {
    fn takes(&self, message: &Value) -> bool {
        let has = |value: &Value, part: &str| text(value).to_lowercase().contains(part);
        self.key.as_ref().is_none_or(|key| message["key"].as_str() == Some(key))
            && self
                .grep
                .as_ref()
                .is_none_or(|part| has(&message["payload"], part) || has(&message["key"], part))
    }

    /// Prints those that are asked for; says whether more are wanted.
    fn print<'m>(&mut self, messages: impl Iterator<Item = &'m Value>) -> Result<bool, Stop> {
        for message in messages {
            if self.left == Some(0) {
                break;
            }
            if !self.takes(message) {
                continue;
            }
            if self.json {
                writeln!(self.out, "{message}")?;
            } else {
                writeln!(self.out, "{}", line(message))?;
            }
            self.left = self.left.map(|left| left - 1);
        }
        self.out.flush()?;
        Ok(self.left != Some(0))
    }
}

fn line(message: &Value) -> String {
    let field = |name: &str| text(&message[name]);
    format!(
        "{} {}/{}@{} {} {} {}",
        field("timestamp"),
        field("topic"),
        field("partition"),
        field("offset"),
        if message["key"] == "" { "-".to_owned() } else { field("key") },
        message["eventType"].as_str().unwrap_or("-"),
        field("payload"),
    )
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
    let (mut service, mut page) = if args.from_beginning {
        ask(services, &format!("{base}&from=oldest")).await?
    } else {
        let (mut service, first) = ask(services, &format!("{base}&from=newest")).await?;
        let newest = newest(&mut service, &base, first.clone(), args.lines, &printer).await?;
        if !printer.print(newest.iter().rev())? || args.no_follow {
            return Ok(());
        }
        let mut end = first;
        end["data"]["messages"] = Value::Null;
        (service, end)
    };
    loop {
        if !printer.print(entries(&page["data"]["messages"]).iter())? {
            return Ok(());
        }
        if args.no_follow && page["meta"]["nextCursor"].is_null() {
            return Ok(());
        }
        let Some(cursor) = page["meta"]["followCursor"].as_str().map(encode) else { return Ok(()) };
        let wait = if args.no_follow { 0 } else { WAIT };
        page = next(&mut service, &base, &cursor, wait).await?;
    }
}

/// The newest messages that are asked for, the newest first.
async fn newest(
    service: &mut Service,
    base: &str,
    first: Value,
    count: usize,
    printer: &Printer<'_>,
) -> Result<Vec<Value>, Stop> {
    let mut found = Vec::new();
    let mut page = first;
    loop {
        let wanted = entries(&page["data"]["messages"]).iter().filter(|message| printer.takes(message));
        found.extend(wanted.take(count - found.len()).cloned());
        if found.len() == count {
            return Ok(found);
        }
        let Some(cursor) = page["meta"]["nextCursor"].as_str().map(encode) else { return Ok(found) };
        page = service.get(&format!("{base}&from=newest&cursor={cursor}")).await?;
    }
}

/// What comes after `cursor`. A service that goes away is waited for; a topic that was made anew is read from its
/// beginning.
async fn next(service: &mut Service, base: &str, cursor: &str, wait: u16) -> Result<Value, Stop> {
    let mut said = false;
    loop {
        let path = format!("{base}&from=oldest&wait={wait}&cursor={cursor}");
        match service.get(&path).await {
            Err(error) if error.code() == Some("INVALID_CURSOR") => {
                complain(&"the topic was made anew; reading it from its beginning");
                return Ok(service.get(&format!("{base}&from=oldest")).await?);
            }
            Err(error) if error.is_away() || error.code() == Some("SERVICE_UNAVAILABLE") => {
                if !said {
                    complain(&format!("waiting: {error}"));
                    said = true;
                }
                // Back-off, not synchronisation.
                tokio::time::sleep(PAUSE).await;
            }
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_asked_for_is_printed() {
        let messages: Vec<Value> =
            [("a", json!({"orderId": "X-1"})), ("b", json!("broken {")), ("", json!(""))]
                .into_iter()
                .zip(0..)
                .map(|((key, payload), offset)| {
                    json!({"timestamp": "T", "topic": "t", "partition": 0, "offset": offset, "key": key,
                    "eventType": null, "payload": payload})
                })
                .collect();
        let print = |key: Option<&str>, grep: Option<&str>, left, json| {
            let mut out = Vec::new();
            let (key, grep) = (key.map(str::to_owned), grep.map(str::to_owned));
            let more = Printer { json, key, grep, left, out: &mut out }.print(messages.iter()).unwrap();
            (String::from_utf8(out).unwrap(), more)
        };
        assert_eq!(print(Some("b"), None, None, false), ("T t/0@1 b - broken {\n".to_owned(), true));
        assert_eq!(print(None, Some("x-1"), None, false).0, "T t/0@0 a - {\"orderId\":\"X-1\"}\n");
        assert_eq!(print(None, Some("nowhere"), None, false).0, "");
        let (two, more) = print(None, None, Some(2), false);
        assert_eq!((two.lines().count(), more), (2, false));
        let (all, _) = print(None, None, None, true);
        assert_eq!(serde_json::from_str::<Value>(all.lines().next().unwrap()).unwrap(), messages[0]);
        assert_eq!(print(Some(""), None, None, false).0, "T t/0@2 - - \n");
    }
}
