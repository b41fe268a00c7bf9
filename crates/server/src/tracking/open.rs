//! The body of a request, unpacked: SDKs may send it gzipped, and a small one may hold a large one.

use crate::http::{ApiError, Code};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::io::Read as _;

/// The most that a request may hold, unpacked (Segment's own limit).
pub(super) const MOST_REQUEST: usize = 500 << 10;

fn too_large() -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge)
        .say("A tracking request holds at most 500 KB. Send smaller batches.")
}

/// Reads and unpacks a body.
pub(super) async fn open(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let packed = Limited::new(body, MOST_REQUEST)
        .collect()
        .await
        .map_err(|error| {
            if error.downcast_ref::<LengthLimitError>().is_some() {
                too_large()
            } else {
                ApiError::bad_request("The body ended before it was whole.")
            }
        })?;
    let packed = packed.to_bytes();
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("identity");
    match encoding.trim().to_ascii_lowercase().as_str() {
        "identity" | "" => Ok(packed),
        "gzip" | "x-gzip" => unpack(&packed),
        _ => Err(
            ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Body)
                .say("The body may be packed with gzip and with nothing else.")
                .at("content-encoding"),
        ),
    }
}

fn unpack(packed: &[u8]) -> Result<Bytes, ApiError> {
    let mut out = Vec::with_capacity((packed.len() * 4).min(MOST_REQUEST));
    let mut reader = GzDecoder::new(packed).take(MOST_REQUEST as u64 + 1);
    reader
        .read_to_end(&mut out)
        .map_err(|_| ApiError::bad_request("The body says it is gzip and is not."))?;
    if out.len() > MOST_REQUEST {
        return Err(too_large());
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A few hundred bytes that unpack to far more are refused before they fill the memory.
    #[test]
    fn a_packed_bomb_is_refused() {
        assert_eq!(
            unpack(&packed(b"{\"a\":1}")).unwrap(),
            Bytes::from_static(b"{\"a\":1}")
        );
        assert_eq!(
            unpack(&packed(&vec![b' '; MOST_REQUEST])).unwrap().len(),
            MOST_REQUEST
        );
        assert_eq!(
            unpack(&packed(&vec![b' '; 64 << 20])).unwrap_err().status,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        assert_eq!(
            unpack(b"no gzip").unwrap_err().status,
            StatusCode::BAD_REQUEST
        );
        let whole = packed(b"cut off");
        assert_eq!(
            unpack(&whole[..whole.len() - 9]).unwrap_err().status,
            StatusCode::BAD_REQUEST
        );
    }
}
