//! Bodies of requests, up to their limit.

use axum::body::{Body, Bytes};
use futures::StreamExt;

use crate::code::Code;
use crate::fault::Fault;

/// So many times the limit is listened to before the client is told: most clients speak to the end before
/// they hear the answer.
const LISTENED: usize = 8;

/// # Errors
///
/// `RequestEntityTooLarge` for more bytes than `limit`, `IncompleteBody` for one that breaks off.
pub async fn read(body: Body, limit: usize) -> Result<Bytes, Fault> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut length = 0_usize;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| Code::IncompleteBody.fault("The request's body broke off"))?;
        length = length.saturating_add(piece.len());
        if length <= limit {
            bytes.extend_from_slice(&piece);
        } else {
            bytes = Vec::new();
            if length > limit.saturating_mul(LISTENED) {
                break;
            }
        }
    }
    if length > limit {
        return Err(Code::RequestEntityTooLarge.fault(format!("The request's body has more than {limit} bytes")));
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_long_as_it_may_be() {
        assert_eq!(read(Body::from(vec![1; 10]), 10).await.unwrap(), vec![1; 10]);
        assert_eq!(read(Body::empty(), 10).await.unwrap().len(), 0);
        for length in [11, 80, 81, 10_000] {
            let fault = read(Body::from(vec![1; length]), 10).await.unwrap_err();
            assert_eq!(fault.code, Code::RequestEntityTooLarge, "{length}");
        }
    }
}
