//! W3C trace context: which trace something belongs to, and what it is part of there.
//! https://www.w3.org/TR/trace-context/#traceparent-header

use axum::http::HeaderMap;
use bytes::Bytes;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The header, and the field of a record.
pub(super) const TRACEPARENT: &str = "traceparent";

/// A `traceparent` of version 00, or nothing: a malformed one is ignored, as the standard has it.
pub fn traceparent(headers: &HeaderMap) -> Option<Bytes> {
    let value = headers.get(TRACEPARENT)?.as_bytes();
    parse(value).is_some().then(|| Bytes::copy_from_slice(value))
}

pub(super) fn parse(value: &[u8]) -> Option<SpanContext> {
    let shaped = value.len() == 55
        && value.starts_with(b"00-")
        && value.iter().enumerate().all(|(at, byte)| match at {
            2 | 35 | 52 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    let text = shaped.then(|| std::str::from_utf8(value).ok()).flatten()?;
    let trace = TraceId::from_hex(&text[3..35]).ok()?;
    let span = SpanId::from_hex(&text[36..52]).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(&text[53..55], 16).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

pub(super) fn write(context: &SpanContext) -> String {
    let flags = context.trace_flags().to_u8();
    format!("00-{:032x}-{:016x}-{flags:02x}", context.trace_id(), context.span_id())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(TRACEPARENT), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn what_is_read_is_written_again() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&headers(good)).unwrap(), good.as_bytes());
        let context = parse(good.as_bytes()).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(write(&context), good);
    }

    #[test]
    fn a_malformed_one_is_ignored() {
        for bad in [
            "",
            "00-x",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(traceparent(&headers(bad)), None, "{bad}");
        }
    }
}
