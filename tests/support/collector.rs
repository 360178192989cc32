//! A collector of traces, as OpenTelemetry has them: takes OTLP over HTTP, and keeps what it is given.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::eventually;

/// Takes spans until the test ends.
pub(crate) struct Collector {
    pub(crate) addr: SocketAddr,
    spans: Arc<Mutex<Vec<Traced>>>,
}

/// A span, and the process that it is from.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    pub(crate) process: String,
    pub(crate) span: Span,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let spans = Arc::<Mutex<Vec<Traced>>>::default();
        let kept = spans.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                // A process that is killed leaves half a request.
                let _ = take(stream, &kept);
            }
        });
        Self { addr, spans }
    }

    /// As `OTEL_EXPORTER_OTLP_ENDPOINT` names it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The spans of a trace so far.
    pub(crate) fn trace(&self, trace: &str) -> Vec<Traced> {
        let spans = self.spans.lock().unwrap();
        spans.iter().filter(|traced| hex(&traced.span.trace_id) == trace).cloned().collect()
    }

    /// The one span of a trace that is called `part` and is a part of one that is called `of`; waits for both.
    pub(crate) fn part(&self, trace: &str, part: &str, of: &str) -> Traced {
        eventually("traced", || {
            let all = self.trace(trace);
            let of: Vec<String> = all.iter().filter(|span| span.span.name == of).map(Traced::id).collect();
            let found: Vec<_> =
                all.iter().filter(|span| span.span.name == part && of.contains(&span.parent())).collect();
            match found[..] {
                [one] => Ok(one.clone()),
                _ => Err(format!(
                    "{} of {part} in {:?}",
                    found.len(),
                    all.iter().map(|span| &span.span.name).collect::<Vec<_>>()
                )),
            }
        })
    }

    /// How many spans there are, of any trace.
    pub(crate) fn count(&self) -> usize {
        self.spans.lock().unwrap().len()
    }
}

impl Traced {
    pub(crate) fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub(crate) fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// An attribute, as text.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let found = self.span.attributes.iter().find(|attribute| attribute.key == name)?;
        found.value.as_ref()?.value.as_ref().map(text)
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps the spans of a request, and answers it then: whoever has an answer knows that they are here.
fn take(stream: TcpStream, kept: &Mutex<Vec<Traced>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    kept.lock().unwrap().extend(spans_of(ExportTraceServiceRequest::decode(&body[..]).ok()?));
    let answer = if first.starts_with("POST /v1/traces ") { "200 OK" } else { "404 Not Found" };
    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    reader.get_mut().write_all(answer.as_bytes()).ok()
}

fn spans_of(request: ExportTraceServiceRequest) -> Vec<Traced> {
    let mut all = Vec::new();
    for of_process in request.resource_spans {
        let attributes = of_process.resource.map(|resource| resource.attributes).unwrap_or_default();
        let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
        let process = name.and_then(|name| name.value?.value).as_ref().map(text).unwrap_or_default();
        let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
        all.extend(spans.map(|span| Traced { process: process.clone(), span }));
    }
    all
}
