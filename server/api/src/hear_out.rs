//! Requests that are answered before they have been read to their end.
//!
//! A connection that is closed while the client still speaks may lose the answer on its way. So what
//! is left of a body is listened to, as far as it is short and comes soon.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use http_body::{Frame, SizeHint};

/// What is longer is not worth its time: that connection is closed.
const BYTES: usize = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(2);

pub struct HeardOut(Body);

impl HeardOut {
    pub fn wrap(body: Body) -> Body {
        if body.is_end_stream() { body } else { Body::new(HeardOut(body)) }
    }
}

impl HttpBody for HeardOut {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for HeardOut {
    fn drop(&mut self) {
        if self.0.is_end_stream() {
            return;
        }
        let rest = std::mem::take(&mut self.0);
        // Outside of a runtime nobody is connected.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = tokio::time::timeout(PATIENCE, to_bytes(rest, BYTES)).await;
            });
        }
    }
}
