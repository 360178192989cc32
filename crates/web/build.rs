//! The app is built by npm into `web/dist`, which is empty in a plain checkout.

fn main() {
    // What is embedded has to be embedded anew whenever the app was built anew. The folder is always there (it holds a
    // `.gitkeep`, which comes from `web/public`): a path that is missing would count as changed at every build.
    println!("cargo::rerun-if-changed=../../web/dist");
}
