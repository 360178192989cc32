//! JSON as it came: a message's payload is shown with its own order of fields, its own numbers, and whatever is wrong
//! with it.

/// Spread over lines, and nothing else changed. `json` must be valid JSON.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0;
    let mut rest = Outside::new(json);
    while let Some(c) = rest.next(&mut out) {
        match c {
            '{' | '[' => {
                out.push(c);
                match rest.peek() {
                    Some(close @ ('}' | ']')) => {
                        rest.next(&mut out);
                        out.push(close);
                    }
                    _ => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => out.push(other),
        }
    }
    out
}

/// On one line, and nothing else changed. `json` must be valid JSON.
pub(crate) fn one_line(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = Outside::new(json);
    while let Some(c) = rest.next(&mut out) {
        out.push(c);
    }
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// What is outside of strings, without white space; strings are copied as they are.
struct Outside<'j> {
    rest: &'j str,
}

impl<'j> Outside<'j> {
    fn new(json: &'j str) -> Self {
        Self { rest: json.trim_start() }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// The next character, after copying strings that come before it.
    fn next(&mut self, out: &mut String) -> Option<char> {
        while self.rest.starts_with('"') {
            let end = end_of_string(self.rest);
            out.push_str(&self.rest[..end]);
            self.rest = self.rest[end..].trim_start();
        }
        let c = self.peek()?;
        self.rest = self.rest[c.len_utf8()..].trim_start();
        Some(c)
    }
}

/// After the closing quote of the string that `text` begins with.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_white_space_changes() {
        let json =
            " {\"z\" : [ 1.50, -2e3, true ,null,\"a \\\"{}[],: \\\\\" ], \"a\":{ },\"a\": [\n],\"é\":\"\"}\n";
        assert_eq!(
            one_line(json),
            "{\"z\":[1.50,-2e3,true,null,\"a \\\"{}[],: \\\\\"],\"a\":{},\"a\":[],\"é\":\"\"}"
        );
        assert_eq!(
            pretty(json),
            "{\n  \"z\": [\n    1.50,\n    -2e3,\n    true,\n    null,\n    \"a \\\"{}[],: \\\\\"\n  ],\n  \"a\": {},\n  \
             \"a\": [],\n  \"é\": \"\"\n}"
        );
        for same in ["7", "\"x y\"", "null", "[]", "{}"] {
            assert_eq!((pretty(same), one_line(same)), (same.to_owned(), same.to_owned()));
        }
    }
}
