//! A request's body as bytes: in time, within the limit, and decoded. It must be declared as JSON, so that a page in a
//! browser cannot ask without being allowed to.

use std::io::Read as _;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt as _;

use super::{Code, Unanswered};

/// How a body came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
}

/// The bytes of a JSON body, of which there may be `most`, within a time.
///
/// # Errors
/// Every way that it is not what is expected is the client's, with a status of its own.
pub(super) async fn read(request: Request, most: usize, within: Duration) -> Result<Vec<u8>, Unanswered> {
    if !is_json(request.headers()) {
        let message = "send the body as JSON, with Content-Type: application/json";
        return Err(Unanswered::new(Code::UnsupportedMediaType, message));
    }
    let encoding = encoding(request.headers())?;
    let read = tokio::time::timeout(within, whole(request.into_body(), most)).await;
    let late = |_| Unanswered::new(Code::BodyTimeout, format!("the body took longer than {} s", within.as_secs()));
    let bytes = read.map_err(late)??;
    match encoding {
        Encoding::Plain => Ok(bytes),
        Encoding::Gzip => tokio::task::block_in_place(|| unzipped(&bytes, most)),
    }
}

/// Reads a body and drops it, for as long as a time lasts: most clients read no response before everything is sent.
pub(super) async fn drop_of(body: Body, most: usize, within: Duration) {
    // Whatever it was, nobody looks at it.
    let _ = tokio::time::timeout(within, whole(body, most)).await;
}

/// The bytes of a body. Of one that is too large the rest is read and dropped, up to as much again.
async fn whole(body: Body, most: usize) -> Result<Vec<u8>, Unanswered> {
    let mut pieces = body.into_data_stream();
    let (mut bytes, mut total) = (Vec::new(), 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece
            .map_err(|error| Unanswered::new(Code::MalformedRequest, format!("the body cannot be read: {error}")))?;
        total += piece.len();
        if total > most.saturating_mul(2) {
            break;
        }
        if total <= most {
            bytes.extend_from_slice(&piece);
        }
    }
    if total > most { Err(too_large("the body", most)) } else { Ok(bytes) }
}

fn too_large(what: &str, most: usize) -> Unanswered {
    Unanswered::new(Code::TooLarge, format!("{what} is larger than {most} bytes; see --max-body"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Unanswered> {
    let mut found = Encoding::Plain;
    let declared = headers.get_all(header::CONTENT_ENCODING).into_iter();
    let names = declared.flat_map(|value| HeaderValue::as_bytes(value).split(|byte| *byte == b','));
    for name in names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()) {
        found = match (found, name.to_ascii_lowercase().as_slice()) {
            (found, b"identity") => found,
            (Encoding::Plain, b"gzip" | b"x-gzip") => Encoding::Gzip,
            (Encoding::Gzip, b"gzip" | b"x-gzip") => return Err(unread("gzip twice")),
            (_, other) => return Err(unread(&String::from_utf8_lossy(other))),
        };
    }
    Ok(found)
}

fn unread(name: &str) -> Unanswered {
    let message = format!("Content-Encoding {name} is not read; send the body plain or as gzip");
    Unanswered::new(Code::UnsupportedMediaType, message)
}

fn unzipped(bytes: &[u8], most: usize) -> Result<Vec<u8>, Unanswered> {
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(bytes).take((most as u64).saturating_add(1)).read_to_end(&mut plain);
    read.map_err(|error| Unanswered::new(Code::MalformedRequest, format!("the body is not whole gzip: {error}")))?;
    if plain.len() > most { Err(too_large("what the body holds unzipped", most)) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn gzip_is_read_up_to_the_limit_and_no_further() {
        assert_eq!(unzipped(&zipped(b"some text"), 9).unwrap(), b"some text");
        assert_eq!(unzipped(&[zipped(b"some "), zipped(b"text")].concat(), 9).unwrap(), b"some text");
        assert_eq!(unzipped(&zipped(b"some text"), 8).unwrap_err().code, Code::TooLarge);
        let bomb = zipped(&vec![b' '; 64 << 20]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(unzipped(&bomb, 1 << 20).unwrap_err().code, Code::TooLarge);
        for broken in [&b"some text"[..], &zipped(b"some text")[..20], b""] {
            assert_eq!(unzipped(broken, 99).unwrap_err().code, Code::MalformedRequest, "{broken:?}");
        }
    }

    #[test]
    fn an_encoding_is_read_or_named() {
        let table: [(&[&str], Result<Encoding, &str>); 9] = [
            (&[], Ok(Encoding::Plain)),
            (&[""], Ok(Encoding::Plain)),
            (&["identity"], Ok(Encoding::Plain)),
            (&["GZip"], Ok(Encoding::Gzip)),
            (&["identity, x-gzip"], Ok(Encoding::Gzip)),
            (&["br"], Err("br")),
            (&["gzip, deflate"], Err("deflate")),
            (&["gzip", "gzip"], Err("gzip twice")),
            (&["zstd"], Err("zstd")),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
            }
            match (encoding(&headers), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{values:?}"),
                (Err(error), Err(name)) => {
                    assert_eq!(error.code, Code::UnsupportedMediaType);
                    assert!(error.message.contains(name), "{}", error.message);
                }
                (found, expected) => panic!("{values:?}: {found:?}, not {expected:?}"),
            }
        }
    }
}
