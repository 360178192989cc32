//! Reading a request body: bounded in size and time.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use bytes::{Buf, Bytes, BytesMut};
use holdfast_contract::ErrorCode;
use http_body_util::BodyExt;

use super::error::ApiError;
use super::layers::RequestContext;

/// What is read and thrown away of a body that is too large. Most clients only read the answer after they have sent
/// everything; a connection closed before that looks to them like a fault of ours.
const DISCARD_BYTES: usize = 1 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Reads the whole body within the limits of the request's context.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE`, `REQUEST_TIMEOUT`, or `INVALID_JSON` if the connection breaks off.
pub(super) async fn read(request: Request) -> Result<Bytes, ApiError> {
    let (limit, time) = match request.extensions().get::<RequestContext>() {
        Some(context) => (context.max_body_bytes, context.body_timeout),
        None => (RequestContext::MAX_BODY_BYTES, RequestContext::BODY_TIMEOUT),
    };
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let mut body = request.into_body();
    let read = match announced {
        Some(length) if length > limit => Ok(None),
        // The timer is only armed if the body has not arrived with the head.
        _ => tokio::time::timeout(time, within(&mut body, limit)).await.unwrap_or_else(|_| {
            Err(ApiError::new(ErrorCode::RequestTimeout, "The body did not arrive in time"))
        }),
    };
    match read {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => {
            discard(body).await;
            Err(ApiError::new(ErrorCode::PayloadTooLarge, format!("The body is larger than {limit} bytes")))
        }
        Err(error) => Err(error),
    }
}

/// The body, or `None` if it is larger than `limit`.
async fn within(body: &mut Body, limit: usize) -> Result<Option<Bytes>, ApiError> {
    let Some(first) = next(body).await? else { return Ok(Some(Bytes::new())) };
    if first.len() > limit {
        return Ok(None);
    }
    // Nearly every body is one frame, which is taken as it is.
    if body.is_end_stream() {
        return Ok(Some(first));
    }
    let mut all = BytesMut::from(first);
    while let Some(frame) = next(body).await? {
        if all.len() + frame.len() > limit {
            return Ok(None);
        }
        all.extend_from_slice(&frame);
    }
    Ok(Some(all.freeze()))
}

/// The next data; `None` at the end.
async fn next(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| {
            ApiError::new(ErrorCode::InvalidJson, "The body broke off or is not valid HTTP").with_source(e)
        })?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

async fn discard(mut body: Body) {
    let mut left = DISCARD_BYTES;
    let all = async {
        while let Ok(Some(data)) = next(&mut body).await {
            match left.checked_sub(data.remaining()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME, all).await;
}
