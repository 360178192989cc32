//! serde's complaints, in words for people who don't write Rust.

/// The longest problem text; complaints may quote what the client sent.
const MAX_CHARS: usize = 200;

/// What a deserialisation error says, and the field that its text names if the path doesn't.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The full path of the field.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) problem: String,
}

/// Reads a complaint made at `path` (serde_path_to_error's notation). `root` names the document itself.
pub(super) fn complaint(path: &str, text: &str, root: &str) -> Complaint {
    let text = without_position(text);
    let path = if path == "." { "" } else { path };
    for (start, problem) in [
        ("missing field `", "is required"),
        ("unknown field `", "is not known"),
        ("duplicate field `", "is given twice"),
    ] {
        if let Some(rest) = text.strip_prefix(start) {
            // The name may hold a backtick of its own; what follows it is serde's.
            let end =
                rest.find("`, expected").or_else(|| rest.find("`, there are")).or_else(|| rest.rfind('`'));
            let name = &rest[..end.unwrap_or(rest.len())];
            return Complaint { field: clip(&join(path, name)), problem: problem.to_owned() };
        }
    }
    let problem = match (text.strip_prefix("invalid type: "), text.strip_prefix("invalid value: ")) {
        (Some(rest), _) | (_, Some(rest)) => match rest.rsplit_once(", expected ") {
            Some((found, expected)) => expectation(found, expected),
            None => rest.to_owned(),
        },
        _ => match text.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected ")) {
            Some((_, expected)) => {
                format!("must be {}", expected.replace('`', "").replace("one of ", "one of: "))
            }
            None => text.to_owned(),
        },
    };
    let field = if path.is_empty() { root } else { path };
    Complaint { field: clip(field), problem: clip(&problem) }
}

fn expectation(found: &str, expected: &str) -> String {
    let wanted = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "u128" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" | "i128" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        "unit" => "null",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    let numeric = wanted.starts_with("a whole number");
    let found = match found.split_once(' ') {
        Some(("integer", number)) if numeric => format!("{number} is out of range"),
        Some(("floating", number)) if numeric => {
            let number = number.trim_start_matches("point ").trim_matches('`');
            format!("got {number}")
        }
        Some(("integer" | "floating", _)) => "got a number".to_owned(),
        Some(("boolean", _)) => "got a boolean".to_owned(),
        Some(("string", text)) if text.chars().count() <= 60 => format!("got {text}"),
        Some(("string", _)) => "got a text".to_owned(),
        _ => match found {
            "map" => "got an object".to_owned(),
            "sequence" => "got a list".to_owned(),
            other => format!("got {other}"),
        },
    };
    format!("must be {wanted}, {found}")
}

fn join(path: &str, name: &str) -> String {
    // An unknown field's name may already be the last part of the path.
    if path.is_empty() || path == name || path.strip_suffix(name).is_some_and(|p| p.ends_with('.')) {
        return if path.is_empty() { name.to_owned() } else { path.to_owned() };
    }
    format!("{path}.{name}")
}

/// serde_json ends its texts with a position in the document.
pub(super) fn without_position(text: &str) -> &str {
    match text.rsplit_once(" at line ") {
        Some((before, after)) if after.bytes().all(|b| b.is_ascii_digit() || b" column".contains(&b)) => {
            before
        }
        _ => text,
    }
}

pub(super) fn clip(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_put_in_plain_words() {
        for (path, text, field, problem) in [
            (".", "missing field `items` at line 1 column 2", "items", "is required"),
            ("items[0]", "missing field `quantity`", "items[0].quantity", "is required"),
            ("colour", "unknown field `colour`, expected one of `a`, `b`", "colour", "is not known"),
            ("x", "unknown field `y`, there are no fields", "x.y", "is not known"),
            (".", "unknown field `a`b`, expected `c`", "a`b", "is not known"),
            (
                "items[0].quantity",
                "invalid type: string \"two\", expected u32 at line 3 column 14",
                "items[0].quantity",
                "must be a whole number, 0 or more, got \"two\"",
            ),
            (
                "q",
                "invalid value: integer `-1`, expected u32",
                "q",
                "must be a whole number, 0 or more, `-1` is out of range",
            ),
            (
                "q",
                "invalid type: floating point `1.5`, expected u32",
                "q",
                "must be a whole number, 0 or more, got 1.5",
            ),
            (".", "invalid type: sequence, expected struct Order", "body", "must be an object, got a list"),
            ("s", "invalid type: null, expected a string", "s", "must be a string, got null"),
            (
                "m",
                "unknown variant `gold`, expected one of `upi`, `wallet`",
                "m",
                "must be one of: upi, wallet",
            ),
            (
                "id",
                "expected an order id (24 hexadecimal digits)",
                "id",
                "expected an order id (24 hexadecimal digits)",
            ),
        ] {
            let expected = Complaint { field: field.to_owned(), problem: problem.to_owned() };
            assert_eq!(complaint(path, text, "body"), expected, "{text}");
        }
        assert_eq!(complaint("x", &"é".repeat(500), "body").problem.chars().count(), MAX_CHARS + 1);
    }
}
