//! The app is built by npm into `web/dist`, which a plain checkout does not have.

fn main() {
    // What is embedded has to be embedded anew whenever the app was built anew; the folder may be missing.
    println!("cargo::rerun-if-changed=../../web/dist");
}
