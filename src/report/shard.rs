//! Shards: JSON compressed into the page, one inert element each.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

/// Writes `value` as an element that the browser neither runs nor shows. Base64 holds no `<`, so nothing inside can end
/// the element.
pub fn write(out: &mut impl Write, id: &str, value: &impl Serialize) -> std::io::Result<()> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut packed, value)?;
    let packed = STANDARD.encode(packed.finish()?);
    writeln!(out, "<script type=\"application/octet-stream\" id=\"{id}\">{packed}</script>")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn hostile_text_comes_back_whole_and_cannot_leave_the_element() {
        let hostile = "</script><script>alert(1)</script>\u{0}\u{202e}";
        let mut out = Vec::new();
        write(&mut out, "d0", &[hostile]).unwrap();
        let text = String::from_utf8(out).unwrap();
        let inside = text.strip_prefix("<script type=\"application/octet-stream\" id=\"d0\">").unwrap();
        let inside = inside.strip_suffix("</script>\n").unwrap();
        assert!(!inside.contains('<'));
        let mut json = String::new();
        flate2::read::GzDecoder::new(&*STANDARD.decode(inside).unwrap()).read_to_string(&mut json).unwrap();
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [hostile]);
    }
}
