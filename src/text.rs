//! Text that is cut.

/// The beginning of `text`: as much of it as is whole within so many bytes.
pub fn head(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn text_is_cut_before_the_character_that_does_not_fit() {
        assert_eq!(["abc", "ab", "", ""], [5, 2, 0, 0].map(|bytes| head("abc", bytes)));
        assert_eq!(["ä", "aä"], [head("ää", 3), head("aää", 4)]);
    }
}
