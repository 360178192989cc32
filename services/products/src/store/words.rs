//! The words that a text search goes by, where the database brings none of its own.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Words of a search that are looked at; more narrow nothing.
const SEARCHED: usize = 16;

/// The words of a text: lower case, without diacritics, sorted, each once.
pub fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut words: Vec<String> = texts.into_iter().flat_map(split).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The words to find; none in a text that has no letter or digit.
pub fn searched(text: &str) -> Vec<String> {
    let mut words = split(text);
    words.truncate(SEARCHED);
    words.sort_unstable();
    words.dedup();
    words
}

fn split(text: &str) -> Vec<String> {
    // First lower case, which takes some letters apart as well.
    let bare: String = text.to_lowercase().nfd().filter(|c| !is_combining_mark(*c)).collect();
    bare.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_neither_case_nor_diacritics() {
        assert_eq!(words(["Lumière", "LUMIERE lumie\u{301}re"]), ["lumiere"]);
        assert_eq!(words(["İstanbul Ångström-42"]), ["42", "angstrom", "istanbul"]);
        assert_eq!(words(["日本 ガラス", "🔦"]).len(), 2);
        assert_eq!(searched("%_'\" \0"), [""; 0]);
        assert_eq!(searched(&"x ".repeat(5_000)), ["x"]);
    }
}
