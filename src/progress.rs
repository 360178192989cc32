//! Progress bars, on a terminal only.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts up to `length` of `what`.
pub(crate) fn counting(length: u64, what: &'static str) -> ProgressBar {
    bar(length, what, "{bar:40} {pos}/{len} {msg} ({eta} left)")
}

/// A bar for `length` bytes of `what`.
pub(crate) fn bytes(length: u64, what: &'static str) -> ProgressBar {
    bar(length, what, "{bar:40} {bytes}/{total_bytes} {msg} ({eta} left)")
}

fn bar(length: u64, what: &'static str, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_message(what)
}
