//! The web app's server: the built app out of the binary, and everything that it calls, from one origin.
//!
//! A page may only talk to where it came from, so [`start`] also answers `/services/orders/…` and `/services/products/…`:
//! with the routers of services in this process, or by asking a service elsewhere ([`Upstream`]). It knows no service
//! itself.

mod args;
mod assets;
mod server;
mod upstream;

pub use args::{InvalidWebAddrs, PeerArgs, WebAddrs, WebArgs};
pub use server::{Settings, StartError, start};
pub use upstream::Upstream;
