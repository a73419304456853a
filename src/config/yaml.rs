//! YAML text as a flat list of entries: dotted path, line, and what stands there.
//!
//! Values stay text (`off` and `1.10` mean what the key says, not what YAML guesses). Lists are passed over; whether one is
//! allowed where it stands is for the reader of the entries to say.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

/// One key with what it holds. A map comes before its own entries.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    /// The keys from the top, joined by dots.
    pub(super) path: String,
    /// Counted from one.
    pub(super) line: usize,
    pub(super) found: Found,
}

/// What stands behind a key.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Value(String),
    Nothing,
    Map,
    List,
    Alias,
}

/// What is wrong, and on which line if the text has any.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

/// The deepest nesting of maps; the configuration has three levels.
const DEEPEST: usize = 32;

/// The entries of the only document in `text`.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, Fault> {
    let mut reader = Reader { events: Parser::new_from_str(text), text, path: Vec::new(), entries: Vec::new() };
    let (first, line) = reader.next_node()?.ok_or_else(|| Fault { line: None, message: EMPTY.into() })?;
    match first {
        Event::MappingStart(..) => reader.map()?,
        Event::Scalar(value, style, ..) if is_nothing(&value, style) => return Err(at(line, EMPTY)),
        _ => return Err(at(line, "a map of keys is expected here, such as \"datasource: app.db\"")),
    }
    match reader.next_node()? {
        Some((_, line)) => Err(at(line, "a second document starts here; one is expected")),
        None => Ok(reader.entries),
    }
}

const EMPTY: &str = "the configuration is empty";

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    text: &'a str,
    path: Vec<String>,
    entries: Vec<Entry>,
}

impl<'a> Reader<'a> {
    /// The next event with its line.
    fn next(&mut self) -> Result<Option<(Event<'a>, usize)>, Fault> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, line_of(&span)))),
            Some(Err(error)) => Err(self.syntax(&error)),
        }
    }

    /// The next event that belongs to a document's content; `None` at the end of the text.
    fn next_node(&mut self) -> Result<Option<(Event<'a>, usize)>, Fault> {
        loop {
            match self.next()? {
                Some((Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _)) => {}
                Some((Event::StreamEnd, _)) | None => return Ok(None),
                found => return Ok(found),
            }
        }
    }

    /// The next event inside of a document.
    fn expect(&mut self) -> Result<(Event<'a>, usize), Fault> {
        self.next()?.ok_or_else(|| Fault { line: None, message: "the text ends too early".into() })
    }

    /// Reads to the end of a map whose start was read.
    fn map(&mut self) -> Result<(), Fault> {
        loop {
            let (key, line) = match self.expect()? {
                (Event::MappingEnd, _) => return Ok(()),
                (Event::Scalar(key, ..), line) => (key.into_owned(), line),
                (_, line) => return Err(at(line, "a key must be plain text")),
            };
            if self.path.len() == DEEPEST {
                return Err(at(line, "maps are nested too deep"));
            }
            self.path.push(key);
            self.value(line)?;
            self.path.pop();
        }
    }

    /// Reads what stands behind the key on `line`.
    fn value(&mut self, line: usize) -> Result<(), Fault> {
        let (event, _) = self.expect()?;
        let found = match &event {
            Event::Scalar(value, style, ..) if is_nothing(value, *style) => Found::Nothing,
            Event::Scalar(value, ..) => Found::Value(value.to_string()),
            Event::MappingStart(..) => Found::Map,
            Event::SequenceStart(..) => Found::List,
            _ => Found::Alias,
        };
        self.entries.push(Entry { path: self.path.join("."), line, found });
        match event {
            Event::MappingStart(..) => self.map(),
            Event::SequenceStart(..) => self.skip(),
            _ => Ok(()),
        }
    }

    /// Reads to the end of a list whose start was read.
    fn skip(&mut self) -> Result<(), Fault> {
        let mut open = 1;
        while open > 0 {
            match self.expect()?.0 {
                Event::SequenceStart(..) | Event::MappingStart(..) => open += 1,
                Event::SequenceEnd | Event::MappingEnd => open -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// A fault of syntax, with the cure for the one that every user of SQLite meets.
    fn syntax(&self, error: &ScanError) -> Fault {
        let line = error.marker().line();
        let around = self.text.lines().skip(line.saturating_sub(2)).take(2);
        let memory = around.flat_map(str::split_whitespace).any(|word| word == ":memory:");
        let cure = if memory { "; put quotes around \":memory:\"" } else { "" };
        Fault { line: Some(line), message: format!("not YAML: {}{cure}", error.info()) }
    }
}

fn at(line: usize, message: &str) -> Fault {
    Fault { line: Some(line), message: message.into() }
}

fn line_of(span: &Span) -> usize {
    span.start.line()
}

fn is_nothing(value: &str, style: ScalarStyle) -> bool {
    style == ScalarStyle::Plain && matches!(value, "" | "~" | "null" | "Null" | "NULL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, usize, Found)> {
        entries(text).unwrap().into_iter().map(|entry| (entry.path, entry.line, entry.found)).collect()
    }

    #[test]
    fn keys_come_with_their_path_line_and_value_as_written() {
        let text = "# first\na:\n  b: off\n  c: \"25\" # note\n\nd: [1, {x: y}]\ne:\nf: &n 1\ng: *n\nh: !!str 7\n";
        let expected = [
            ("a", 2, Found::Map),
            ("a.b", 3, Found::Value("off".into())),
            ("a.c", 4, Found::Value("25".into())),
            ("d", 6, Found::List),
            ("e", 7, Found::Nothing),
            ("f", 8, Found::Value("1".into())),
            ("g", 9, Found::Alias),
            ("h", 10, Found::Value("7".into())),
        ];
        assert_eq!(read(text), expected.map(|(path, line, found)| (path.to_owned(), line, found)));
    }

    #[test]
    fn a_byte_order_mark_and_a_document_start_are_no_content() {
        let expected = vec![("a".to_owned(), 2, Found::Value("1".into()))];
        assert_eq!(read("\u{feff}---\na: 1\n...\n"), expected);
    }

    #[test]
    fn what_is_no_single_map_names_its_line() {
        let cases: &[(&str, Option<usize>, &str)] = &[
            ("", None, EMPTY),
            ("# only a note\n", None, EMPTY),
            ("---\n", Some(2), EMPTY),
            ("~", Some(1), EMPTY),
            ("- a\n- b\n", Some(1), "a map of keys is expected here"),
            ("app.db", Some(1), "a map of keys is expected here"),
            ("a: 1\n---\nb: 2\n", Some(3), "a second document starts here"),
            ("a: 1\n[b]: 2\n", Some(2), "a key must be plain text"),
            ("a: 1\nb: \"open\n", Some(2), "not YAML"),
            ("a: 1\n\tb: 2\n", Some(1), "not YAML"),
            ("a: b: c\n", Some(1), "not YAML"),
            ("x: 1\ndatasource: :memory:\n", Some(2), "put quotes around \":memory:\""),
        ];
        for (text, line, message) in cases {
            let fault = entries(text).unwrap_err();
            assert_eq!(fault.line, *line, "{text:?}: {fault:?}");
            assert!(fault.message.contains(message), "{text:?}: {fault:?}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_in_maps_and_passed_over_in_lists() {
        let deep = (0..100).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
        assert_eq!(entries(&deep).unwrap_err().message, "maps are nested too deep");
        let lists = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(read(&lists), [("a".to_owned(), 1, Found::List)]);
    }
}
