//! The text in which metrics are shown: a sample a line. <https://prometheus.io/docs/instrumenting/exposition_formats/>

/// One sample: a name, labels and a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

impl Sample {
    /// The value of a label; one that is not there is empty.
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value)
    }
}

/// The samples of a text. Comments and lines that are none are passed over.
pub fn samples(text: &str) -> impl Iterator<Item = Sample> + '_ {
    text.lines().filter_map(sample)
}

fn sample(line: &str) -> Option<Sample> {
    let line = line.trim();
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').filter(|end| *end > 0)?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // A time may stand after the value.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_string(), labels, value })
}

/// Labels up to their closing brace, and what stands after it.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        labels.push((name.trim().to_string(), value));
        rest = after;
    }
}

/// A text up to its closing quote, and what stands after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match signs.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{samples, Sample};

    fn one(line: &str) -> Sample {
        samples(line).next().unwrap_or_else(|| panic!("{line}"))
    }

    #[test]
    fn a_sample_has_a_name_labels_and_a_value() {
        let sample = one(r#"kw_total{store="a \"b\" \\ {c},\nd",le="+Inf",} 1.5e3 1700000000000"#);
        assert_eq!((sample.name.as_str(), sample.value), ("kw_total", 1500.0));
        assert_eq!((sample.label("store"), sample.label("le"), sample.label("other")), ("a \"b\" \\ {c},\nd", "+Inf", ""));
        assert_eq!(one("up 1").labels, []);
        assert_eq!(one("bound +Inf").value, f64::INFINITY);
        assert!(one("none NaN").value.is_nan());
    }

    #[test]
    fn what_is_no_sample_is_passed_over() {
        let text = "# HELP a b\n\n# EOF\nname\nname{a=\"b\" 1\nname{a=b} 1\nname one\n{} 1\n<html>\nlast 2";
        assert_eq!(samples(text).map(|sample| sample.name).collect::<Vec<_>>(), ["last"]);
    }
}
