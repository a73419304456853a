//! Percent-encoding: any bytes but NUL as ASCII text, and back.

/// Undoes percent-encoding; an encoded NUL or half an escape is refused.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => escape(rest.next(), rest.next()).ok_or("has a % without two hexadecimal digits; write %25 for a % in the name")?,
            _ => byte,
        };
        if byte == 0 {
            return Err("holds a NUL byte (%00)".into());
        }
        bytes.push(byte);
    }
    Ok(bytes)
}

fn escape(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// As [`decode`], for what must be UTF-8.
pub(super) fn decode_text(text: &str) -> Result<String, String> {
    String::from_utf8(decode(text)?).map_err(|_| "has a parameter that is not UTF-8".into())
}

/// Bytes as ASCII that [`decode`] undoes; a path's slashes stay.
pub(super) fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, &byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'~' | b'/' => text.push(byte.into()),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_but_nul_survives() {
        let bytes: Vec<u8> = (1..=255).collect();
        let text = encode(&bytes);
        assert!(text.is_ascii());
        assert_eq!(decode(&text).unwrap(), bytes);
    }

    #[test]
    fn half_an_escape_and_a_nul_are_refused() {
        for text in ["%", "%4", "%g0", "a%4", "%\u{e9}0", "%+1", "%00", "a\0b"] {
            assert!(decode(text).is_err(), "{text}");
        }
        assert!(decode_text("%ff").is_err());
    }
}
